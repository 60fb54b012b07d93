"""True steps: Gaussian densities, their products, divergences, means and conditionals."""

from sympy import (
    Abs,
    Derivative,
    E,
    Integer,
    Integral,
    Matrix,
    Max,
    cos,
    erf,
    exp,
    eye,
    log,
    oo,
    pi,
    sin,
    sqrt,
    symbols,
    tanh,
)

from mini_ddpm.symbolic import Expectation, alpha_bar, eps, kl, log_density, normal_density, t, x

from .steps import Step, assuming, forward

y, z, m, n, b = symbols("y z m n b", real=True)
rho, phi = symbols("rho phi", real=True)
u, v, r, w, a, c = symbols("u v r w a c", positive=True)


def step(kind, before, after, reason, given=None):
    return Step(kind, before, after, reason) if given is None else Step(kind, before, after, reason, given=given)


correlated = assuming(rho > -1, rho < 1)
share = assuming(w < 1)
quadratic = (y**2 - 2 * rho * y * z + z**2) / (2 * (1 - rho**2))
partner = rho * y + sqrt(1 - rho**2) * z
covariance, definite = Matrix([[a, b], [b, c]]), assuming(a * c > b**2)
point = Matrix([y, z])
other = Matrix([[u, 0], [0, v]])
turn = Matrix([[cos(phi), -sin(phi)], [sin(phi), cos(phi)]])
general = Matrix(2, 2, symbols("a_11 a_12 a_21 a_22", real=True))
second = Matrix(2, 2, symbols("b_11 b_12 b_21 b_22", real=True))
direction, reading = Matrix(symbols("p_1 p_2", real=True)), Matrix(symbols("q_1 q_2", real=True))
rank_one = v * eye(2) + direction * direction.T
length = (direction.T * direction)[0]

STEPS: list[Step] = [
    step("completing the square", -u * y**2 / 2 + z * y, -u * (y - z / u) ** 2 / 2 + z**2 / (2 * u), "half the slope"),
    step(
        "completing the square",
        -((y - m) ** 2) / (2 * u) - (y - n) ** 2 / (2 * v),
        -((y - (m * v + n * u) / (u + v)) ** 2) * (u + v) / (2 * u * v) - (m - n) ** 2 / (2 * (u + v)),
        "two squares in y are one, and the distance of the means",
    ),
    step("product of Gaussians", 1 / (1 / u + 1 / v), u * v / (u + v), "precisions add"),
    step(
        "product of Gaussians",
        (m / u + n / v) / (1 / u + 1 / v),
        m + u / (u + v) * (n - m),
        "the mean of the product, as Kalman writes it",
    ),
    step(
        "product of Gaussians",
        normal_density(y, m, u) * normal_density(y, n, v),
        normal_density(m, n, u + v) * normal_density(y, (m * v + n * u) / (u + v), u * v / (u + v)),
        "a Gaussian in y times a Gaussian of the means",
    ),
    step(
        "product of Gaussians",
        Integral(normal_density(y, m, u) * normal_density(y, n, v), (y, -oo, oo)),
        normal_density(m, n, u + v),
        "the product's mass: variances add",
    ),
    step(
        "product of Gaussians",
        normal_density(y, m, v) ** w,
        normal_density(y, m, v / w) * sqrt(2 * pi * v) ** (1 - w) / sqrt(w),
        "a power of a Gaussian is one with another variance, and another mass",
    ),
    step(
        "product of Gaussians",
        sqrt(normal_density(y, m, v) * normal_density(y, n, v)),
        normal_density(y, (m + n) / 2, v) * exp(-((m - n) ** 2) / (8 * v)),
        "the geometric mean of two Gaussians: Bhattacharyya",
    ),
    step("densities", normal_density(r * y, r * m, r**2 * v), normal_density(y, m, v) / r, "a density in other units"),
    step(
        "densities",
        normal_density(y, m, v) / (normal_density(y, m, v) + normal_density(y, -m, v)),
        1 / (1 + exp(-2 * m * y / v)),
        "which of two Gaussians: a sigmoid",
    ),
    step(
        "densities",
        log_density(y, m, v) - log_density(y, n, v),
        (m - n) * (y - (m + n) / 2) / v,
        "a log-likelihood ratio is linear under equal variances",
    ),
    step("integrals", Integral(exp(-u * y**2), (y, -oo, oo)), sqrt(pi / u), "Gauss's integral"),
    step(
        "integrals",
        Integral(exp(-u * y**2 + z * y), (y, -oo, oo)),
        sqrt(pi / u) * exp(z**2 / (4 * u)),
        "Gauss's integral, after completing the square",
    ),
    step("integrals", Integral(normal_density(y, 0, 1), (y, -z, z)), erf(z / sqrt(2)), "the definition of erf"),
    step("integrals", Integral(exp(-r * y), (y, 0, oo)), 1 / r, "the exponential's mass"),
    step("integrals", Integral(y**2 * normal_density(y, m, v), (y, -oo, oo)), m**2 + v, "the mean square"),
    step("Gaussian KL", kl(m, u, n, u), (m - n) ** 2 / (2 * u), "equal variances"),
    step("Gaussian KL", kl(m, u, m, v), (u / v - 1 - log(u / v)) / 2, "equal means"),
    step("Gaussian KL", kl(m, u, 0, 1), (m**2 + u - 1 - log(u)) / 2, "from the standard normal"),
    step("Gaussian KL", kl(1, 2, 0, 1), log(E**2 / 2) / 2, "(log 1/2 + 2 + 1 - 1) / 2"),
    step(
        "Gaussian KL",
        kl(sqrt(alpha_bar[t]) * x[0], 1 - alpha_bar[t], 0, 1),
        (alpha_bar[t] * (x[0] ** 2 - 1) - log(1 - alpha_bar[t])) / 2,
        "how far x_t is from noise",
        given=forward,
    ),
    step(
        "Gaussian KL",
        kl(m, u, n, v) + kl(n, v, m, u),
        (m - n) ** 2 * (1 / u + 1 / v) / 2 + (u - v) ** 2 / (2 * u * v),
        "Jeffreys' divergence: the logarithms cancel",
    ),
    step("Gaussian KL", kl(r * m, r**2 * u, r * n, r**2 * v), kl(m, u, n, v), "the unit of measure does not matter"),
    step(
        "Gaussian KL",
        kl(m, exp(2 * y), n, exp(2 * z)),
        z - y + (exp(2 * y - 2 * z) + (m - n) ** 2 * exp(-2 * z) - 1) / 2,
        "variances by their log standard deviations",
    ),
    step(
        "Gaussian KL",
        Expectation(log_density(y, m, u) - log_density(y, n, v), y, m, u),
        kl(m, u, n, v),
        "the mean of the log ratio",
    ),
    step(
        "Gaussian KL", Derivative(kl(m, u, n, v), v), (v - u - (m - n) ** 2) / (2 * v**2), "zero at the best variance"
    ),
    step("Gaussian KL", Derivative(kl(m, u, n, v), (m, 2)), 1 / v, "a parabola in the mean"),
    step(
        "Gaussian KL",
        kl(m, u, n, u + (m - n) ** 2),
        log(1 + (m - n) ** 2 / u) / 2,
        "under the best variance only the logarithm is left",
    ),
    step(
        "entropy",
        Expectation(-log_density(y, m, v), y, m, v),
        log(2 * pi * E * v) / 2,
        "the mean square is v",
    ),
    step("entropy", log(2 * pi * E * u) / 2, (log(2 * pi) + log(u) + 1) / 2, "the logarithm of a product"),
    step(
        "entropy",
        Expectation(-log_density(y, n, v), y, m, u),
        log(2 * pi * v) / 2 + (u + (m - n) ** 2) / (2 * v),
        "the cross entropy",
    ),
    step(
        "entropy",
        Expectation(-log_density(y, n, v), y, m, u) - log(2 * pi * E * u) / 2,
        kl(m, u, n, v),
        "cross entropy less entropy",
    ),
    step("moments", Expectation((1 + sqrt(v) * eps) ** 2, eps), 1 + v, "the cross term has mean 0"),
    step("moments", Expectation((1 + sqrt(v) * eps) ** 3, eps), 1 + 3 * v, "odd moments vanish"),
    step(
        "moments",
        Expectation((m + sqrt(v) * eps) ** 4, eps),
        m**4 + 6 * m**2 * v + 3 * v**2,
        "the moments of the noise are 1, 0, 1, 0, 3",
    ),
    step(
        "moments",
        Expectation(((y - m) ** 2 - v) ** 2, y, m, v),
        2 * v**2,
        "the variance of a squared deviation",
    ),
    step(
        "moments",
        Expectation((sqrt(v) * eps) ** 6, eps) / Expectation((sqrt(v) * eps) ** 2, eps) ** 3,
        Integer(15),
        "the sixth moment, standardised: 5!!",
    ),
    step("moments", Expectation((y - m) * y**3, y, m, v), v * Expectation(3 * y**2, y, m, v), "Stein's identity"),
    step(
        "moments",
        w * (m**2 + v) + (1 - w) * (n**2 + v) - (w * m + (1 - w) * n) ** 2,
        v + w * (1 - w) * (m - n) ** 2,
        "the variance of a mixture",
        given=share,
    ),
    step(
        "moments",
        Expectation(Expectation((z - rho * m) ** 2, z, rho * y, v), y, m, u),
        v + rho**2 * u,
        "the law of total variance",
    ),
    step("moments", Expectation(Expectation(z, z, 2 * y + 1, v), y, m, u), 2 * m + 1, "the tower rule"),
    step("moments", Expectation(Abs(eps), eps), sqrt(2 / pi), "the half-normal's mean"),
    step("moments", Expectation(Max(y, 0), y, 0, v), sqrt(v / (2 * pi)), "half of the mean of the absolute value"),
    step(
        "moments",
        (m - n) ** 2 + u + v - 2 * sqrt(u * v),
        (m - n) ** 2 + (sqrt(u) - sqrt(v)) ** 2,
        "Frechet's distance in one dimension",
    ),
    step(
        "moment generating function",
        Expectation(exp(z * y), y, m, v),
        exp(m * z + v * z**2 / 2),
        "completing the square in the exponent",
    ),
    step(
        "moment generating function", Expectation(exp(m + sqrt(v) * eps), eps), exp(m + v / 2), "the lognormal's mean"
    ),
    step(
        "moment generating function",
        Expectation(exp(2 * y), y, m, v) - Expectation(exp(y), y, m, v) ** 2,
        (exp(v) - 1) * exp(2 * m + v),
        "the lognormal's variance",
    ),
    step("moment generating function", Expectation(y * exp(y), y, 0, v), v * exp(v / 2), "Stein's identity for exp"),
    step(
        "moment generating function",
        Expectation(cos(z * y), y, 0, v),
        exp(-v * z**2 / 2),
        "the characteristic function",
    ),
    step("log-sum-exp", log(exp(y) + exp(z)), y + log(1 + exp(z - y)), "one exponential out of the sum"),
    step(
        "log-sum-exp",
        log(exp(y) + exp(z)),
        Max(y, z) + log(1 + exp(-Abs(y - z))),
        "the larger one out of the sum",
    ),
    step("log-sum-exp", exp(y) / (exp(y) + exp(z)), 1 / (1 + exp(-(y - z))), "a softmax of two is a sigmoid"),
    step("log-sum-exp", 1 / (1 + exp(-y)), (1 + tanh(y / 2)) / 2, "the sigmoid is a scaled tanh"),
    step("log-sum-exp", log(1 + exp(y)), y + log(1 + exp(-y)), "softplus of both signs"),
    step(
        "conditioning",
        quadratic,
        (z - rho * y) ** 2 / (2 * (1 - rho**2)) + y**2 / 2,
        "completing the square in z",
        given=correlated,
    ),
    step(
        "conditioning",
        log_density(y, 0, 1) + log_density(z, rho * y, 1 - rho**2),
        -quadratic - log(2 * pi) - log(1 - rho**2) / 2,
        "the joint density is that of y, and of z given y",
        given=correlated,
    ),
    step(
        "conditioning",
        log(2 * pi * E) - log((2 * pi * E) ** 2 * (1 - rho**2)) / 2,
        -log(1 - rho**2) / 2,
        "the mutual information of two correlated Gaussians",
        given=correlated,
    ),
    step("conditioning", Expectation(Expectation(partner * y, z), y), rho, "the correlation", given=correlated),
    step("conditioning", Expectation(Expectation(partner**2, z), y), Integer(1), "the variance", given=correlated),
    step(
        "conditioning",
        (point.T * covariance.inv() * point)[0],
        y**2 / a + (z - b * y / a) ** 2 / (c - b**2 / a),
        "Mahalanobis' distance: of y, and of z given y",
        given=definite,
    ),
    step("conditioning", log(covariance.det()), log(a) + log(c - b**2 / a), "Schur's complement", given=definite),
    step(
        "conditioning",
        kl(m, a, 0, 1) + Expectation(kl(n + b / a * (y - m), c - b**2 / a, 0, 1), y, m, a),
        (covariance.trace() + m**2 + n**2 - 2 - log(covariance.det())) / 2,
        "the divergence with full covariance, by the chain rule",
        given=definite,
    ),
    step(
        "matrices",
        ((other.inv() * covariance).trace() - 2 + log(other.det() / covariance.det())) / 2,
        kl(0, a, 0, u) + kl(0, c, 0, v) - log(1 - b**2 / (a * c)) / 2,
        "full against diagonal covariance: the marginals' divergences, and the correlation's information",
        given=definite,
    ),
    step("matrices", (general * second).det(), general.det() * second.det(), "determinants multiply"),
    step(
        "matrices",
        (general + second).det(),
        general.det() + second.det() + general.trace() * second.trace() - (general * second).trace(),
        "a 2x2 determinant is quadratic",
    ),
    step("matrices", (general**2).trace(), general.trace() ** 2 - 2 * general.det(), "Cayley and Hamilton"),
    step("matrices", general.inv().trace(), general.trace() / general.det(), "the inverse of a 2x2 matrix"),
    step("matrices", (general - general.T).det(), (general[0, 1] - general[1, 0]) ** 2, "an antisymmetric matrix"),
    step(
        "matrices",
        (general + direction * reading.T).det(),
        general.det() * (1 + (reading.T * general.inv() * direction)[0]),
        "the matrix determinant lemma",
    ),
    step("matrices", log(rank_one.det()), log(v) + log(v + length), "noise along one direction"),
    step(
        "matrices",
        (reading.T * rank_one.inv() * reading)[0],
        (reading.T * reading)[0] / v - (direction.T * reading)[0] ** 2 / (v * (v + length)),
        "Sherman and Morrison",
    ),
    step("matrices", (turn * other * turn.T).det(), u * v, "a rotation does not change volumes"),
    step("matrices", ((turn * point).T * (turn * point))[0], y**2 + z**2, "a rotation does not change lengths"),
    step(
        "matrices",
        sqrt((turn * other * turn.T).trace() + 2 * sqrt((turn * other * turn.T).det())),
        sqrt(u) + sqrt(v),
        "the trace of the root of a turned covariance",
    ),
    step(
        "matrices",
        Expectation(Expectation((point.T * covariance * point)[0], y), z),
        covariance.trace(),
        "Hutchinson's estimate of a trace",
    ),
    step(
        "matrices",
        Derivative(log(covariance.det()), a),
        covariance.inv()[0, 0],
        "the slope of a log-determinant is the inverse",
        given=definite,
    ),
    step(
        "matrices",
        ((eye(2) - w * other).det() - 1) / w,
        -other.trace() + w * other.det(),
        "the determinant near the identity",
    ),
]
