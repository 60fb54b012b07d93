"""True steps: sums and products, powers, roots and logarithms, and functions with branches."""

from sympy import (
    Abs,
    Derivative,
    Eq,
    Function,
    Integer,
    KroneckerDelta,
    Max,
    Min,
    Piecewise,
    Product,
    Rational,
    Sum,
    binomial,
    cosh,
    exp,
    factorial,
    log,
    sign,
    sqrt,
    symbols,
    tanh,
)

from mini_ddpm.symbolic import Expectation, T, alpha_bar, beta, d, i, s, snr, t, x

from .steps import Step, assuming, forward

y, z = symbols("y z", real=True)
u, v, w = symbols("u v w", positive=True)
j, k = symbols("j k", integer=True, positive=True)
n = symbols("n", integer=True, nonnegative=True)
f, h = Function("f", real=True), Function("h", real=True)
g = Function("g", positive=True)


def step(kind, before, after, reason, given=None):
    return Step(kind, before, after, reason) if given is None else Step(kind, before, after, reason, given=given)


a, a_s, a_before = alpha_bar[t], alpha_bar[s], alpha_bar[t - 1]
total = Sum(x[j], (j, 1, d))

STEPS: list[Step] = [
    step("closed sums", Sum(s, (s, 1, t)), t * (t + 1) / 2, "the arithmetic sum"),
    step("closed sums", Sum(s**2, (s, 1, t)), t * (t + 1) * (2 * t + 1) / 6, "Faulhaber"),
    step("closed sums", Sum(s**3, (s, 1, t)), Sum(s, (s, 1, t)) ** 2, "Nicomachus"),
    step("closed sums", Sum(2 * s - 1, (s, 1, t)), t**2, "odd numbers sum to squares"),
    step("closed sums", Sum((T - t) * (t - 1), (t, 1, T)), T * (T - 1) * (T - 2) / 6, "Faulhaber, for a parabola"),
    step("closed sums", Sum(1, (s, 3, t)), t - 2, "t - 2 ones, if t >= 2", given=assuming(t >= 2)),
    step("closed sums", Sum(y**k, (k, 0, n)), (1 - y ** (n + 1)) / (1 - y), "the geometric sum; y = 1 has no value"),
    step(
        "closed sums",
        Sum(k * y**k, (k, 1, n)),
        y * (1 - (n + 1) * y**n + n * y ** (n + 1)) / (1 - y) ** 2,
        "the derivative of the geometric sum",
    ),
    step("closed sums", Sum(binomial(n, k) * y**k * z ** (n - k), (k, 0, n)), (y + z) ** n, "the binomial theorem"),
    step("telescoping", Sum(1 / (s * (s + 1)), (s, 1, t)), t / (t + 1), "each term is 1/s - 1/(s + 1)"),
    step("telescoping", Product(1 + 1 / s, (s, 1, t)), t + 1, "each factor is (s + 1) / s"),
    step(
        "telescoping",
        Sum(f(s + 1) - 2 * f(s) + f(s - 1), (s, 1, t)),
        f(t + 1) - f(t) - f(1) + f(0),
        "a second difference telescopes twice",
    ),
    step("telescoping", Sum(sqrt(s) - sqrt(s - 1), (s, 1, t)), sqrt(t), "only the last root stays"),
    step("telescoping", Sum(s * factorial(s), (s, 1, t)), factorial(t + 1) - 1, "each term is (s + 1)! - s!"),
    step("splitting sums", Sum(f(s), (s, 1, t)) - Sum(f(s), (s, 1, t - 1)), f(t), "the last term is left"),
    step(
        "splitting sums",
        Sum(f(k), (k, 1, T)),
        Sum(f(k), (k, 1, t)) + Sum(f(k), (k, t + 1, T)),
        "cut at t <= T; the second part may be empty",
    ),
    step(
        "splitting sums",
        Sum(f(t), (t, 1, T)),
        f(1) + f(T) + Sum(f(t), (t, 2, T - 1)),
        "the first and the last are two, if T >= 2",
        given=assuming(T >= 2),
    ),
    step(
        "splitting sums",
        Sum(f(s), (s, 1, t)),
        f(1) + f(2) + f(3) + Sum(f(s), (s, 4, t)),
        "three terms out, if there are three",
        given=assuming(t >= 3),
    ),
    step(
        "splitting sums",
        Sum(f(2 * s), (s, 1, t)) + Sum(f(2 * s - 1), (s, 1, t)),
        Sum(f(s), (s, 1, 2 * t)),
        "even and odd",
    ),
    step("splitting sums", Sum(Piecewise((f(k), k < t), (0, True)), (k, 1, T)), Sum(f(k), (k, 1, t - 1)), "t <= T"),
    step("splitting sums", Sum(KroneckerDelta(k, t) * f(k), (k, 1, T)), f(t), "only one term is not 0; 1 <= t <= T"),
    step("splitting sums", Product(g(s), (s, 1, T)) / Product(g(s), (s, 1, t)), Product(g(s), (s, t + 1, T)), "t <= T"),
    step("shifting sums", Sum(f(s + 2), (s, 1, t)), Sum(f(s), (s, 3, t + 2)), "the index raised by 2"),
    step("shifting sums", Sum(f(s), (s, 1, t)), Sum(f(t + 1 - s), (s, 1, t)), "the same terms, backwards"),
    step("linear sums", Sum(y * f(s) + z, (s, 1, t)), y * Sum(f(s), (s, 1, t)) + t * z, "constants leave a sum"),
    step(
        "linear sums",
        Sum((f(t) - y) ** 2 / T, (t, 1, T)),
        Sum(f(t) ** 2 - 2 * y * f(t), (t, 1, T)) / T + y**2,
        "the square multiplied out, then averaged",
    ),
    step(
        "double sums",
        Sum(Sum(f(s) * h(k), (k, 1, s)), (s, 1, t)),
        Sum(h(k) * Sum(f(s), (s, k, t)), (k, 1, t)),
        "a triangle by its other side",
    ),
    step(
        "double sums",
        Sum(f(s), (s, 1, t)) ** 2,
        Sum(f(s) ** 2, (s, 1, t)) + 2 * Sum(f(s) * Sum(f(k), (k, 1, s - 1)), (s, 1, t)),
        "the diagonal, and twice the triangle below",
    ),
    step(
        "double sums",
        Sum(f(s), (s, 1, t)) * Sum(h(s), (s, 1, t)),
        Sum(f(s) * h(k), (s, 1, t), (k, 1, t)),
        "every term times every term",
    ),
    step(
        "double sums",
        Sum(Sum(f(k), (k, 1, s)), (s, 1, t)),
        Sum((t - k + 1) * f(k), (k, 1, t)),
        "the k-th term occurs in the sums k, ..., t",
    ),
    step(
        "double sums",
        Sum(Sum(x[i] * f(s), (i, 1, d)), (s, 1, t)),
        Sum(x[i], (i, 1, d)) * Sum(f(s), (s, 1, t)),
        "a product of two sums",
    ),
    step(
        "by parts",
        Sum(f(s) * (h(s) - h(s - 1)), (s, 1, t)),
        f(t) * h(t) - f(1) * h(0) - Sum((f(s + 1) - f(s)) * h(s), (s, 1, t - 1)),
        "Abel's summation",
    ),
    step(
        "moving averages",
        Sum((1 - w) * w ** (t - s) * f(s), (s, 1, t)),
        (1 - w) * f(t) + w * Sum((1 - w) * w ** (t - 1 - s) * f(s), (s, 1, t - 1)),
        "the recursion of an exponential moving average",
    ),
    step("moving averages", Sum((1 - w) * w ** (t - s), (s, 1, t)), 1 - w**t, "the weights' sum, as Adam corrects it"),
    step(
        "moving averages",
        Sum(s * (s + 1), (s, 1, t)) / Sum(s, (s, 1, t)),
        2 * (t + 2) / 3,
        "the mean of s + 1, weighted by s",
    ),
    step(
        "coordinates",
        Sum((x[i] - y) ** 2, (i, 1, d)),
        Sum(x[i] ** 2, (i, 1, d)) - 2 * y * total + d * y**2,
        "every square multiplied out",
    ),
    step(
        "coordinates",
        Sum((x[i] - total / d) ** 2, (i, 1, d)),
        Sum(x[i] ** 2, (i, 1, d)) - total**2 / d,
        "the variance: mean square less squared mean",
    ),
    step(
        "coordinates",
        Sum(Sum((x[i] - x[j]) ** 2, (j, 1, d)), (i, 1, d)),
        2 * d * Sum(x[i] ** 2, (i, 1, d)) - 2 * total**2,
        "Lagrange: all pairs",
    ),
    step("coordinates", Derivative(Sum(x[j] ** 2, (j, 1, d)), x[i]), 2 * x[i], "only the term j = i has a slope"),
    step("coordinates", Derivative(total**2, x[i]), 2 * total, "the slope of the total is 1"),
    step("coordinates", Expectation(total, x[i]), total - x[i], "one coordinate is averaged, the others stay"),
    step(
        "coordinates",
        Derivative(log(Sum(exp(x[j]), (j, 1, d))), x[i]),
        exp(x[i]) / Sum(exp(x[j]), (j, 1, d)),
        "the slope of log-sum-exp is the softmax",
    ),
    step("coordinates", Sum(exp(x[i]) / Sum(exp(x[j]), (j, 1, d)), (i, 1, d)), Integer(1), "a softmax sums to 1"),
    step(
        "coordinates",
        log(Sum(exp(x[j] + y), (j, 1, d))),
        y + log(Sum(exp(x[j]), (j, 1, d))),
        "a common shift leaves the logarithm",
    ),
    step("products", log(Product(g(s), (s, 1, t))), Sum(log(g(s)), (s, 1, t)), "the logarithm of positive factors"),
    step(
        "products",
        Product(u * g(s) ** 2, (s, 1, t)),
        u**t * Product(g(s), (s, 1, t)) ** 2,
        "equal factors, and squares",
    ),
    step("products", Product(g(s), (s, 1, t)) / Product(g(s), (s, 2, t)), g(1), "the first factor is left"),
    step("products", Product(s, (s, 1, t)), factorial(t), "the factorial"),
    step("products", Product(u ** (2 * s - 1), (s, 1, t)), u ** (t**2), "the exponents' sum"),
    step("powers", u ** (t + 1) - u**t, u**t * (u - 1), "a power out"),
    step("powers", u**y * u**z * v ** (y + z), (u * v) ** (y + z), "exponents add, bases multiply"),
    step("powers", u ** log(v), v ** log(u), "both are exp(log u log v)"),
    step("powers", exp(y * log(u) + (1 - y) * log(v)), v * (u / v) ** y, "geometric interpolation from v"),
    step("powers", sqrt(u + 2 * sqrt(u * v) + v), sqrt(u) + sqrt(v), "the square of a sum of roots"),
    step("powers", 1 / (sqrt(u) + sqrt(v)), (sqrt(u) - sqrt(v)) / (u - v), "the third binomial formula"),
    step("powers", sqrt(1 + u) - sqrt(u), 1 / (sqrt(1 + u) + sqrt(u)), "the same, stable for large u"),
    step("powers", (u**3 - v**3) / (u - v), u**2 + u * v + v**2, "a quotient of powers"),
    step("logarithms", log(1 + u) - log(u), log(1 + 1 / u), "a quotient's logarithm"),
    step("logarithms", log(sqrt(1 + u**2) - u), -log(sqrt(1 + u**2) + u), "their product is 1"),
    step("logarithms", log(u**2 + 2 * u * v + v**2), 2 * log(u + v), "the sum is positive"),
    step("logarithms", tanh(log(u) / 2), (u - 1) / (u + 1), "tanh by exponentials"),
    step("logarithms", cosh(log(u)), (u + 1 / u) / 2, "cosh by exponentials"),
    step("logarithms", log(y**2), 2 * log(Abs(y)), "the sign does not matter"),
    step("logarithms", log(u) / log(2) + 1, log(2 * u) / log(2), "one bit more"),
    step("branches", Max(y, z), (y + z + Abs(y - z)) / 2, "the middle and half the distance"),
    step("branches", Min(y, z) + Max(y, z), y + z, "one of each"),
    step("branches", Min(y, z) * Max(y, z), y * z, "one of each"),
    step("branches", Max(Min(y, 1), -1), Min(Max(y, -1), 1), "clipping from either side first"),
    step("branches", Max(y, 0) - Max(-y, 0), y, "the positive and the negative part"),
    step("branches", Max(y, 0) ** 2 + Min(y, 0) ** 2, y**2, "one of both is 0"),
    step("branches", Piecewise((y, y > 0), (0, True)), Max(y, 0), "the rectifier"),
    step("branches", Piecewise((y, y >= 0), (-y, True)), Abs(y), "the absolute value"),
    step("branches", sign(y) * y, Abs(y), "the sign turns it"),
    step("branches", sqrt(y**2 - 2 * y * z + z**2), Abs(y - z), "a root is not negative"),
    step(
        "branches",
        Piecewise((y**2 / 2, Abs(y) <= 1), (Abs(y) - Rational(1, 2), True)),
        Min(Abs(y), 1) * (Abs(y) - Min(Abs(y), 1) / 2),
        "Huber's loss without cases",
    ),
    step("branches", Max(log(u), 0), log(Max(u, 1)), "the logarithm increases"),
    step("branches", Min(u, v) / Max(u, v), exp(-Abs(log(u) - log(v))), "the distance of logarithms"),
    step("branches", Piecewise((1, Eq(t, 1)), (a_before, True)), a_before, "alpha_bar_0 = 1", given=forward),
    step("branches", Max(a, a_s), a_s, "alpha_bar decreases, and s < t", given=forward),
    step(
        "branches", Max(a, a_before) - Min(a, a_before), a_before * beta[t], "the larger is the earlier", given=forward
    ),
    step("branches", Abs(snr(s) - snr(t)), snr(s) - snr(t), "the SNR decreases", given=forward),
    step("branches", sqrt((a - a_before) ** 2), a_before * beta[t], "alpha_bar decreases", given=forward),
    step("branches", Sum(Max(f(s), 0) - Max(-f(s), 0), (s, 1, t)), Sum(f(s), (s, 1, t)), "in every term"),
]
