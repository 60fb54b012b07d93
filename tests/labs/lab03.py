"""Submissions to lab 3."""

from hostile import hostile
from submissions import Submission, answers

OTHER_WAYS = {
    "a": answers(
        spread_answer="""
= Expectation(Expectation((B*(x_t - sqrt(abar_t)*x_0) + sigma*z)**2, z), x_t, sqrt(abar_t)*x_0, 1 - abar_t)   # A
= Expectation(B**2*(x_t - sqrt(abar_t)*x_0)**2 + sigma**2, x_t, sqrt(abar_t)*x_0, 1 - abar_t)
= sigma**2 + B**2*(1 - abar_t)
""",
        aim_answer="""
= A*x_0 + B*(sqrt(abar_t)*x_0 + sqrt(1 - abar_t)*eps)   # the noise first
= (sqrt(abar_s) - B*sqrt(abar_t))*x_0 + B*sqrt(abar_t)*x_0 + B*sqrt(1 - abar_t)*eps
= sqrt(abar_s)*x_0 + sqrt(1 - abar_s - sigma**2)*eps
""",
        room_answer="largest_sigma, sigma_at_eta_1 = 1 / np.sqrt(2), np.sqrt(0.375)",
        step_answer="""
def ddim_step(x_t, eps, a_t, a_s, eta, z):
    sigma = eta * np.sqrt((1 - a_s) / (1 - a_t)) * np.sqrt(1 - a_t / a_s)
    u = x_t / np.sqrt(a_t) - np.sqrt(1 / a_t - 1) * eps
    return np.sqrt(a_s) * u + np.sqrt(1 - a_s - sigma**2) * eps + sigma * z
""",
        chain_answer="""
def strided(T, n):
    return np.linspace(T, 0, n + 1).round().astype(int)

def walk(x, times, alpha_bar, step):
    if len(times) < 2:
        return x
    return walk(step(x, alpha_bar[times[0]], alpha_bar[times[1]]), times[1:], alpha_bar, step)
""",
        stride_answer="""
= u_t + (r_s - r_t)*(1 - V/(V + r_t**2))*u_t/r_t
= u_t*(1 + (r_s/r_t - 1)*(1 - V/(V + r_t**2)))
= u_t*(r_t*r_s + V)/(r_t**2 + V)
""",
        shrink_answer="variance_after_1, variance_after_10, strides_for_99_percent = 0.0, 0.78, 247",
        heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    r_t, r_s = np.sqrt(1 / a_t - 1), np.sqrt(1 / a_s - 1)
    u, slope = x_t / np.sqrt(a_t), player(x_t, a_t)
    if a_s < 1:
        slope = 0.5 * slope + 0.5 * player(np.sqrt(a_s) * (u + (r_s - r_t) * slope), a_s)
    return np.sqrt(a_s) * (u + (r_s - r_t) * slope)
""",
        order_answer="ddim_calls, heun_calls = 31 * 2**4, 31 * 2**2",
        curve_answer="""
generator, curve = np.random.default_rng(77), {"ddim": [], "ancestral": [], "heun": []}
for n in [4, 8, 16, 32, 64]:
    a = alpha_bar[np.asarray(strided(1000, n))]
    x, y, w = starts(10_000), starts(10_000), starts(10_000)
    for a_t, a_s in zip(a, a[1:]):
        x = ddim_step(x, best_eps(x, a_t), a_t, a_s, 0, np.zeros(10_000))
        y = ddim_step(y, best_eps(y, a_t), a_t, a_s, 1, generator.normal(size=10_000))
        w = heun_step(w, a_t, a_s, best_eps)
    for name, ends in (("ddim", x), ("ancestral", y), ("heun", w)):
        curve[name].append(distance(ends))
nearer_at_16_calls, nearer_at_64_calls = "DDIM", "Heun"
""",
        unknown_answer="""
= w_s - w_s**2*(1 - beta_st)/w_t
= w_s*(1 - (1 - beta_st)*w_s/w_t)
= w_s/w_t*beta_st
""",
        range_answer="""
def log_variance(rho, a_t, a_s, floor):
    beta = 1 - a_t / a_s
    tilde = np.where(a_s == 1, floor, beta * (1 - a_s) / (1 - a_t))
    return np.log(tilde) + (np.log(beta) - np.log(tilde)) * (1 + rho) / 2
""",
        noise_answer="""
def followed(kind):   # variances alone, without walks
    v, times = 1.0, strided(1000, 5)
    for t, s in pairwise(times):
        a_t, a_s = alpha_bar[t], alpha_bar[s]
        k, w_t, w_s = a_t / a_s, a_t / 4 + 1 - a_t, a_s / 4 + 1 - a_s
        noise = {"large": 1 - k, "small": (1 - k) * (1 - a_s) / (1 - a_t), "best": (1 - k) * w_s / w_t}[kind]
        v = k * (w_s / w_t) ** 2 * v + noise
    return v

ends_with_beta, ends_with_beta_tilde, ends_with_best = map(followed, ("large", "small", "best"))
best_f = np.log(0.55 / 0.85 * 2) / np.log(2)
""",
    ),
    "b": answers(
        spread_answer="""
= Expectation((A*x_0 + B*x_t - sqrt(abar_s)*x_0)**2, x_t, sqrt(abar_t)*x_0, 1 - abar_t) + sigma**2
= ((A + B*sqrt(abar_t) - sqrt(abar_s))*x_0)**2 + B**2*(1 - abar_t) + sigma**2   # mean squared, and variance
= sigma**2 + B**2 - B**2*abar_t
""",
        aim_answer="""
= sqrt(abar_s)*x_0 + B*(x_t - sqrt(abar_t)*x_0)   # A
= sqrt(abar_s)*x_0 + B*(sqrt(1 - abar_t)*eps)   # x_t
= sqrt(abar_s)*x_0 + eps*sqrt((1 - abar_s - sigma**2)/(1 - abar_t))*sqrt(1 - abar_t)   # B
= sqrt(abar_s)*x_0 + eps*sqrt(1 - abar_s - sigma**2)
""",
        room_answer="""
def posterior(abar_t, abar_s):
    precision = abar_t / abar_s / (1 - abar_t / abar_s) + 1 / (1 - abar_s)
    return 1 / precision

largest_sigma = np.sqrt(1 - 0.5)
sigma_at_eta_1 = np.sqrt(posterior(0.2, 0.5))
""",
        step_answer="""
def ddim_step(x_t, eps, a_t, a_s, eta, z):
    image = (x_t - (1 - a_t) ** 0.5 * eps) / a_t**0.5
    tilde = (1 - a_s) * (a_s - a_t) / ((1 - a_t) * a_s)
    b = ((1 - a_s - eta**2 * tilde) / (1 - a_t)) ** 0.5
    a = a_s**0.5 - b * a_t**0.5
    return a * image + b * x_t + eta * tilde**0.5 * z
""",
        chain_answer="""
def strided(T, n):
    return [T - int(T * k / n + 0.5) for k in range(n + 1)]

def walk(x, times, alpha_bar, step):
    for k in range(len(times) - 1):
        x = step(x, alpha_bar[times[k]], alpha_bar[times[k + 1]])
    return x
""",
        stride_answer="""
= r_s/r_t*u_t - (r_s - r_t)*D/r_t
= r_s/r_t*u_t - (r_s - r_t)*V*u_t/(r_t*(V + r_t**2))
= (r_s*(V + r_t**2) - (r_s - r_t)*V)/(r_t*(V + r_t**2))*u_t
= (r_s*r_t + V)/(V + r_t**2)*u_t
""",
        shrink_answer="""
def left(n):
    v = 1.0
    for _ in range(n):
        v *= np.cos(np.radians(90 / n)) ** 2
    return v

variance_after_1, variance_after_10, strides_for_99_percent = left(1), left(10), 1
while left(strides_for_99_percent) < 0.99:
    strides_for_99_percent += 1
""",
        heun_answer="""
def heun_step(x_t, a_t, a_s, player):   # a stride is linear in the noise, so the mean of two strides will do
    first = ddim_step(x_t, player(x_t, a_t), a_t, a_s, 0, 0)
    return first if a_s == 1 else (first + ddim_step(x_t, player(first, a_s), a_t, a_s, 0, 0)) / 2
""",
        order_answer="ddim_calls, heun_calls = 0.08 / 0.005 * 31, 2 * 64 - 1",
        curve_answer="""
def player(x, a_t, a_s):
    return ddim_step(x, best_eps(x, a_t), a_t, a_s, 0, 0)

def gambler(x, a_t, a_s):
    return ddim_step(x, best_eps(x, a_t), a_t, a_s, 1, np.random.randn(*x.shape))

def twice(x, a_t, a_s):
    return heun_step(x, a_t, a_s, lambda x, a: best_eps(x, a))

np.random.seed(3)
curve = {name: np.array([distance(walk(starts(10_000), strided(1000, n), alpha_bar, f)) for n in (4, 8, 16, 32, 64)])
    for name, f in (("ddim", player), ("ancestral", gambler), ("heun", twice))}
nearer_at_16_calls = min(("ddim", curve["ddim"][2]), ("heun", curve["heun"][1]), key=lambda one: one[1])[0]
nearer_at_64_calls = min(("ddim", curve["ddim"][4]), ("heun", curve["heun"][3]), key=lambda one: one[1])[0]
""",
        unknown_answer="""
= w_s - (1 - beta_st)*w_s**2/((1 - beta_st)*w_s + beta_st)
= w_s*((1 - beta_st)*w_s + beta_st - (1 - beta_st)*w_s)/((1 - beta_st)*w_s + beta_st)
= beta_st*w_s/((1 - beta_st)*w_s + beta_st)
= beta_st*w_s/w_t
""",
        range_answer="""
def log_variance(rho, a_t, a_s, floor):
    large, f = 1 - a_t / a_s, 0.5 + rho / 2
    small = large * (1 - a_s) / (1 - a_t)
    if small == 0:
        small = floor
    return np.log(large**f * small ** (1 - f))
""",
        noise_answer="""
rng_mine = np.random.default_rng(11)

def sampled(f):
    x, times = starts(20_000), strided(1000, 5)
    for t, s in zip(times[:-1], times[1:]):
        a_t, a_s = alpha_bar[t], alpha_bar[s]
        image = np.sqrt(a_t) * 0.25 * x / (0.25 * a_t + 1 - a_t)
        k = a_t / a_s
        mean = (np.sqrt(a_s) * (1 - k) * image + np.sqrt(k) * (1 - a_s) * x) / (1 - a_t)
        x = mean + np.sqrt(f(a_t, a_s)) * rng_mine.standard_normal(20_000)
    return float(np.var(x))

ends_with_beta = sampled(lambda a_t, a_s: 1 - a_t / a_s)
ends_with_beta_tilde = sampled(lambda a_t, a_s: (1 - a_t / a_s) * (1 - a_s) / (1 - a_t))
ends_with_best = sampled(lambda a_t, a_s: (1 - a_t / a_s) * (1 - 0.75 * a_s) / (1 - 0.75 * a_t))
best_f = 0.372
""",
    ),
    "c": answers(
        spread_answer="""
= Expectation(Expectation((B*x_t - B*sqrt(abar_t)*x_0)**2 + 2*sigma*z*(B*x_t - B*sqrt(abar_t)*x_0)
  + sigma**2*z**2, z), x_t, sqrt(abar_t)*x_0, 1 - abar_t)   # multiplied out
= Expectation((B*x_t - B*sqrt(abar_t)*x_0)**2, x_t, sqrt(abar_t)*x_0, 1 - abar_t) + sigma**2
= B*B*(1 - abar_t) + sigma*sigma
""",
        aim_answer="""
= sqrt(abar_s)*x_0 + B*(x_t - sqrt(abar_t)*x_0)
= sqrt(abar_s)*x_0 + sqrt(1 - abar_s - sigma**2)*(x_t - sqrt(abar_t)*x_0)/sqrt(1 - abar_t)
= sqrt(abar_s)*x_0 + sqrt(1 - abar_s - sigma**2)*(sqrt(1 - abar_t)*eps)/sqrt(1 - abar_t)
= sqrt(abar_s)*x_0 + (1 - abar_s - sigma**2)**(1/2)*eps
""",
        room_answer="sigma_at_eta_1 = 0.612\nlargest_sigma = 0.707",
        step_answer="""
from math import sqrt as root

def ddim_step(x_t, eps, a_t, a_s, eta, z):
    def jump(image, noise, a):
        return root(a) * image + root(1 - a) * noise
    sigma = eta * root((1 - a_s) / (1 - a_t) * (1 - a_t / a_s))
    image = (np.asarray(x_t) - root(1 - a_t) * np.asarray(eps)) / root(a_t)
    if a_s == 1:
        return image
    share = sigma / root(1 - a_s)   # of the deviation, that is fresh
    return jump(image, root(1 - share**2) * eps + share * z, a_s)
""",
        chain_answer="""
from functools import reduce

def strided(T, n):
    found = []
    for k in range(n + 1):
        found.insert(0, (2 * T * k + n) // (2 * n))
    return tuple(found)

def walk(x, times, alpha_bar, step):
    return reduce(lambda x, pair: step(x, alpha_bar[pair[0]], alpha_bar[pair[1]]), zip(times, times[1:]), x)
""",
        stride_answer="""
= u_t - (r_t - r_s)*u_t*r_t/(V + r_t**2)
= u_t*((V + r_t**2) - r_t**2 + r_s*r_t)/(V + r_t**2)
= u_t/(V + r_t**2)*(V + r_t*r_s)
""",
        shrink_answer="""
variance_after_1 = np.cos(np.pi / 2) ** 2
variance_after_10 = np.prod(np.full(10, np.cos(np.pi / 20) ** 2))
strides_for_99_percent = np.ceil(np.pi**2 / 4 / -np.log(0.99))
""",
        heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    noises = [player(x_t, a_t)]
    if a_s != 1.0:
        there = ddim_step(x_t, noises[0], a_t, a_s, 0.0, np.zeros_like(x_t))
        noises.append(player(there, a_s))
    return ddim_step(x_t, sum(noises) / len(noises), a_t, a_s, 0.0, np.zeros_like(x_t))
""",
        order_answer="""
ddim_calls, heun_strides, error = 31, 16, 0.08
while error > 0.0051:
    ddim_calls, error = 2 * ddim_calls, error / 2
error = 0.08
while error > 0.0051:
    heun_strides, error = 2 * heun_strides, error / 4
heun_calls = 2 * heun_strides - 1
""",
        curve_answer="""
curve = dict(
    ddim=[0.151, 0.0785, 0.0407, 0.0208, 0.0105],   # run before, and written down
    ancestral=[0.19, 0.11, 0.06, 0.04, 0.02],
    heun=[0.757, 0.186, 0.0306, 0.00475, 0.00088],
)
nearer_at_16_calls = "ddim"
nearer_at_64_calls = "heun"
""",
        unknown_answer="""
= w_s - w_s*(w_t - beta_st)/w_t   # w_t solved for w_s
= (w_s*w_t - w_s*w_t + beta_st*w_s)/w_t
= beta_st/(w_t/w_s)
""",
        range_answer="""
def log_variance(rho, a_t, a_s, floor):
    rho = np.asarray(rho, dtype=float)
    logs = [np.log(1 - a_t / a_s)]
    logs.append(np.log(floor) if a_s >= 1 else logs[0] + np.log1p(-a_s) - np.log1p(-a_t))
    return ((1 + rho) * logs[0] + (1 - rho) * logs[1]) / 2
""",
        noise_answer="""
def ends(rho):
    luck = np.random.default_rng(4)
    def one(x, a_t, a_s):
        logs = log_variance(rho(a_t, a_s), a_t, a_s, 1e-30)
        middle = ddim_step(x, gaussian_eps(x, a_t, 0.25), a_t, a_s, 1, 0)
        return middle + np.exp(logs / 2) * luck.standard_normal(x.size)
    return np.std(walk(starts(20_000), strided(1000, 5), alpha_bar, one)) ** 2

def share(a_t, a_s):
    w = lambda a: 0.25 * a + 1 - a
    small = 1e-30 if a_s == 1 else (1 - a_s) / (1 - a_t)
    if a_s == 1:
        small = 1e-30 / (1 - a_t)
    return np.log(w(a_s) / w(a_t) / small) / np.log(1 / small)

ends_with_beta = ends(lambda a_t, a_s: 1)
ends_with_beta_tilde = ends(lambda a_t, a_s: -1)
ends_with_best = ends(lambda a_t, a_s: 2 * share(a_t, a_s) - 1)
best_f = share(0.2, 0.6)
""",
    ),
}


def mistake(name: str, points: dict[str, float], **given: str) -> Submission:
    return Submission(name, points, answers(**given))


def steps(last: str, sigma: str = "eta * np.sqrt((1 - a_s) / (1 - a_t) * (1 - a_t / a_s))") -> str:
    """A DDIM step that ends in some other way."""
    return f"""
def ddim_step(x_t, eps, a_t, a_s, eta, z):
    sigma = {sigma}
    image = (x_t - np.sqrt(1 - a_t) * eps) / np.sqrt(a_t)
    return {last}
"""


# strides of their own, so that a wrong answer above costs its own task only
HEUN_ALONE = """
def heun_step(x_t, a_t, a_s, player):
    gap, first = np.sqrt(1 / a_s - 1) - np.sqrt(1 / a_t - 1), player(x_t, a_t)
    there = np.sqrt(a_s) * (x_t / np.sqrt(a_t) + gap * first)
    if a_s == 1:
        return there
    return np.sqrt(a_s) * (x_t / np.sqrt(a_t) + gap * (first + player(there, a_s)) / 2)
"""
CURVE_BY_HEART = """
curve = {
    "ddim": [0.151, 0.0785, 0.0407, 0.0208, 0.0105],
    "ancestral": [0.19, 0.11, 0.06, 0.04, 0.02],
    "heun": [0.757, 0.186, 0.0306, 0.00475, 0.00088],
}
nearer_at_16_calls, nearer_at_64_calls = "ddim", "heun"
"""
NOISE_BY_HEART = "ends_with_beta, ends_with_beta_tilde, ends_with_best, best_f = 0.36, 0.11, 0.25, 0.372"
ALONE = {"heun_answer": HEUN_ALONE, "curve_answer": CURVE_BY_HEART, "noise_answer": NOISE_BY_HEART}


MISTAKES = [
    # derivations
    mistake("a-sign", {"spread": 3}, spread_answer="""
= Expectation((A*x_0 + B*x_t - sqrt(abar_s)*x_0)**2 - sigma**2, x_t, sqrt(abar_t)*x_0, 1 - abar_t)
= Expectation(B**2*(x_t - sqrt(abar_t)*x_0)**2 - sigma**2, x_t, sqrt(abar_t)*x_0, 1 - abar_t)
= B**2*(1 - abar_t) + sigma**2
"""),
    mistake("in-one-line", {"spread": 2, "aim": 2, "stride": 2, "unknown": 2},
        spread_answer="= B**2*(1 - abar_t) + sigma**2",
        aim_answer="= sqrt(abar_s)*x_0 + sqrt(1 - abar_s - sigma**2)*eps",
        stride_answer="= (V + r_s*r_t)/(V + r_t**2)*u_t",
        unknown_answer="= beta_st*w_s/w_t"),
    mistake("old-noise-in-full", {"aim": 2}, aim_answer="""
= (sqrt(abar_s) - B*sqrt(abar_t))*x_0 + B*x_t
= (sqrt(abar_s) - B*sqrt(abar_t))*x_0 + B*(sqrt(abar_t)*x_0 + sqrt(1 - abar_t)*eps)
= sqrt(abar_s)*x_0 + sqrt(1 - abar_s)*eps
"""),
    mistake("not-all-the-way", {"aim": 2, "stride": 2, "unknown": 2},
        aim_answer="""
= (sqrt(abar_s) - B*sqrt(abar_t))*x_0 + B*x_t
= sqrt(abar_s)*x_0 + B*sqrt(1 - abar_t)*eps
""",
        stride_answer="""
= u_t + (r_s - r_t)*(u_t - V/(V + r_t**2)*u_t)/r_t
= (1 + (r_s - r_t)*r_t/(V + r_t**2))*u_t
""",
        unknown_answer="""
= w_s - (1 - beta_st)*w_s**2/w_t
= w_s*(w_t - (1 - beta_st)*w_s)/w_t
"""),
    mistake("a-slip-on-the-way", {"stride": 3, "unknown": 3},
        stride_answer="""
= u_t + (r_s - r_t)*(u_t + V/(V + r_t**2)*u_t)/r_t
= (1 + (r_s - r_t)*(1 + V/(V + r_t**2))/r_t)*u_t
= (V + r_s*r_t)/(V + r_t**2)*u_t
""",
        unknown_answer="""
= w_s - (1 + beta_st)*w_s**2/w_t
= w_s*(w_t - (1 + beta_st)*w_s)/w_t
= w_s*beta_st/w_t
"""),
    mistake("nonsense-that-goes-on", {"spread": 0, "unknown": 0},
        spread_answer="= x_0*sigma*z\n= z*sigma*x_0\n= 3", unknown_answer="= sqrt(w_t)\n= w_t*sqrt(1/w_t)"),
    mistake("padded", {"stride": 2}, stride_answer="""
= u_t + (u_t - D)*(r_s - r_t)/r_t
= 2*(u_t + (u_t - D)*(r_s - r_t)/r_t)/2
= (V + r_s*r_t)/(V + r_t**2)*u_t
= u_t*(V + r_s*r_t)/(V + r_t**2)
"""),
    mistake("a-program", {"aim": 0}, aim_answer="= __import__('os').system('true')\n= x_0.__class__\n= 10**10**10"),
    mistake("another-start", {"unknown": 2},
        unknown_answer="%%derive pair -> unknown\nw_s\n= w_s + 0\n= beta_st*w_s/w_t"),
    # predictions
    mistake("variances-for-deviations", {"room": 0, "shrink": 1},
        room_answer="largest_sigma, sigma_at_eta_1 = 0.5, 0.375",
        shrink_answer="variance_after_1, variance_after_10, strides_for_99_percent = 0, np.cos(np.pi / 20) ** 10, 123"),
    mistake("beta-for-beta-tilde", {"room": 1}, room_answer="largest_sigma, sigma_at_eta_1 = 0.5**0.5, 0.6**0.5"),
    mistake("nothing-is-lost", {"shrink": 0},
        shrink_answer="variance_after_1 = variance_after_10 = strides_for_99_percent = 1"),
    mistake("strides-for-calls", {"order": 1}, order_answer="ddim_calls, heun_calls = 16 * 31, 64"),
    mistake("one-order-for-both", {"order": 1}, order_answer="ddim_calls = heun_calls = 496"),
    # DDIM's step
    mistake("eta-not-squared", {"step": 4}, step_answer=steps(
        "np.sqrt(a_s) * image + np.sqrt(1 - a_s - sigma**2) * eps + sigma * z",
        "np.sqrt(eta * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s))"), **ALONE),
    mistake("heun-on-a-wrong-step", {"step": 1},  # Heun's step is right, and tested with a right one of DDIM
        step_answer=steps("np.sqrt(a_s) * image + np.sqrt(1 - a_s - sigma**2) / 2 * eps + sigma * z"),
        curve_answer=CURVE_BY_HEART, noise_answer=NOISE_BY_HEART),
    mistake("variance-before-z", {"step": 2}, step_answer=steps(
        "np.sqrt(a_s) * image + np.sqrt(1 - a_s - sigma**2) * eps + sigma**2 * z"), **ALONE),
    mistake("no-room-for-sigma", {"step": 2}, step_answer=steps(
        "np.sqrt(a_s) * image + np.sqrt(1 - a_s) * eps + sigma * z"), **ALONE),
    mistake("deviation-for-variance", {"step": 2}, step_answer=steps(
        "np.sqrt(a_s) * image + (np.sqrt(1 - a_s) - sigma) * eps + sigma * z"), **ALONE),
    mistake("beta-for-sigma", {"step": 1}, step_answer=steps(
        "np.sqrt(a_s) * image + np.sqrt(1 - a_s - sigma**2) * eps + sigma * z",
        "eta * np.sqrt(1 - a_t / a_s)"), **ALONE),
    mistake("s-and-t-exchanged", {"step": 0}, step_answer=steps(
        "np.sqrt(a_t) * image + np.sqrt(1 - a_t - sigma**2) * eps + sigma * z"), **ALONE),
    mistake("noisy-for-noise", {"step": 1}, step_answer=steps(
        "np.sqrt(a_s) * image + np.sqrt(1 - a_s - sigma**2) * x_t + sigma * z"), **ALONE),
    mistake("divides-by-zero-at-the-end", {"step": 4}, step_answer=steps(
        "np.sqrt(a_s) * image + np.sqrt(1 - a_s - sigma**2) * eps + sigma * z",
        "eta / np.sqrt(1 / (1 - a_s) + a_t / (a_s - a_t))"), **ALONE),
    mistake("clamps-the-guess", {"step": 1}, step_answer=steps(
        "np.sqrt(a_s) * np.clip(image, -1, 1) + np.sqrt(1 - a_s - sigma**2) * eps + sigma * z"), **ALONE),
    # times and walks
    mistake("rounded-down", {"chain": 4}, chain_answer="""
def strided(T, n):
    return [int(T * k / n) for k in range(n, -1, -1)]

def walk(x, times, alpha_bar, step):
    for t, s in pairwise(times):
        x = step(x, alpha_bar[t], alpha_bar[s])
    return x
"""),
    mistake("the-end-is-lost", {"chain": 3, "curve": 2, "noise": 1}, chain_answer="""
def strided(T, n):
    return [round(T * k / n) for k in range(n, 0, -1)]

def walk(x, times, alpha_bar, step):
    for t, s in pairwise(times):
        x = step(x, alpha_bar[t], alpha_bar[s])
    return x
"""),
    mistake("a-table-of-its-own", {"chain": 3}, chain_answer="""
alpha_bar = np.cos(np.linspace(0, 0.995, 1001) * np.pi / 2) ** 2
table_here = alpha_bar

def strided(T, n):
    return [round(T * k / n) for k in range(n, -1, -1)]

def walk(x, times, alpha_bar, step):
    for t, s in pairwise(times):
        x = step(x, table_here[t], table_here[s])
    return x
"""),
    mistake("every-step-after-all", {"chain": 3}, chain_answer="""
def strided(T, n):
    return [round(T * k / n) for k in range(n, -1, -1)]

def walk(x, times, alpha_bar, step):
    for t in range(times[0], 0, -1):
        x = step(x, alpha_bar[t], alpha_bar[t - 1])
    return x
""", curve_answer=CURVE_BY_HEART, noise_answer=NOISE_BY_HEART),
    # Heun
    mistake("asks-at-t-again", {"heun": 1, "curve": 4}, heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    first = player(x_t, a_t)
    there = ddim_step(x_t, first, a_t, a_s, 0, 0)
    return there if a_s == 1 else ddim_step(x_t, (first + player(there, a_t)) / 2, a_t, a_s, 0, 0)
"""),
    mistake("goes-on-from-the-trial", {"heun": 2, "curve": 4}, heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    first = player(x_t, a_t)
    there = ddim_step(x_t, first, a_t, a_s, 0, 0)
    return there if a_s == 1 else ddim_step(there, (first + player(there, a_s)) / 2, a_t, a_s, 0, 0)
"""),
    mistake("asks-where-there-is-no-noise", {"heun": 2, "curve": 3}, heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    first = player(x_t, a_t)
    there = ddim_step(x_t, first, a_t, a_s, 0, 0)
    return ddim_step(x_t, (first + player(there, a_s)) / 2, a_t, a_s, 0, 0)
"""),
    mistake("the-second-answer-alone", {"heun": 2, "curve": 4}, heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    there = ddim_step(x_t, player(x_t, a_t), a_t, a_s, 0, 0)
    return there if a_s == 1 else ddim_step(x_t, player(there, a_s), a_t, a_s, 0, 0)
"""),
    mistake("the-mean-of-the-images", {"heun": 2, "curve": 4}, heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    def image(x, a):
        return (x - np.sqrt(1 - a) * player(x, a)) / np.sqrt(a)
    def towards(guess):
        return np.sqrt(a_s) * guess + np.sqrt((1 - a_s) / (1 - a_t)) * (x_t - np.sqrt(a_t) * guess)
    first = image(x_t, a_t)
    return towards(first) if a_s == 1 else towards((first + image(towards(first), a_s)) / 2)
"""),
    mistake("the-sum-of-the-noises", {"heun": 2, "curve": 3}, heun_answer="""
def heun_step(x_t, a_t, a_s, player):
    first = player(x_t, a_t)
    there = ddim_step(x_t, first, a_t, a_s, 0, 0)
    return there if a_s == 1 else ddim_step(x_t, first + player(there, a_s), a_t, a_s, 0, 0)
"""),
    # curves and variances
    mistake("no-fresh-noise", {"curve": 4}, curve_answer="""
steps = {
    "ddim": lambda x, a_t, a_s: ddim_step(x, best_eps(x, a_t), a_t, a_s, 0, 0),
    "ancestral": lambda x, a_t, a_s: ddim_step(x, best_eps(x, a_t), a_t, a_s, 1, 0),
    "heun": lambda x, a_t, a_s: heun_step(x, a_t, a_s, best_eps),
}
curve = {name: [distance(walk(starts(10_000), strided(1000, n), alpha_bar, one)) for n in (4, 8, 16, 32, 64)]
    for name, one in steps.items()}
nearer_at_16_calls, nearer_at_64_calls = "ddim", "heun"
"""),
    mistake("ancestral-with-beta", {"curve": 5}, curve_answer=CURVE_BY_HEART + """
luck = np.random.default_rng(0)

def ancestral(x, a_t, a_s):
    mean = ddim_step(x, best_eps(x, a_t), a_t, a_s, 1.0, 0.0)
    return mean + (a_s < 1) * np.sqrt(1 - a_t / a_s) * luck.standard_normal(len(x))

curve["ancestral"] = [
    distance(walk(starts(10_000), strided(1000, n), alpha_bar, ancestral)) for n in (4, 8, 16, 32, 64)]
"""),
    mistake("order-2-is-always-better", {"curve": 5},
        curve_answer=CURVE_BY_HEART.replace('"ddim", "heun"', '"heun", "heun"')),
    mistake("means-of-variances", {"range": 1, "noise": 3},
        range_answer="""
def log_variance(rho, a_t, a_s, floor):
    large = 1 - a_t / a_s
    small = floor if a_s == 1 else (1 - a_s) / (1 - a_t) * large
    return np.log((rho + 1) / 2 * large + (1 - rho) / 2 * small)
""",
        noise_answer=NOISE_BY_HEART.replace("0.372", "0.294")),
    mistake("rho-for-the-share", {"range": 0}, range_answer="""
def log_variance(rho, a_t, a_s, floor):
    large = 1 - a_t / a_s
    small = floor if a_s == 1 else (1 - a_s) / (1 - a_t) * large
    return rho * np.log(large) + (1 - rho) * np.log(small)
"""),
    mistake("no-floor", {"range": 3}, range_answer="""
def log_variance(rho, a_t, a_s, floor):
    large = 1 - a_t / a_s
    small = (1 - a_s) / (1 - a_t) * large
    return (rho + 1) / 2 * np.log(large) + (1 - rho) / 2 * np.log(small)
"""),
    mistake("a-floor-everywhere", {"range": 3}, range_answer="""
def log_variance(rho, a_t, a_s, floor):
    large = 1 - a_t / a_s
    small = max((1 - a_s) / (1 - a_t) * large, floor)
    f = (rho + 1) / 2
    return f * np.log(large) + (1 - f) * np.log(small)
"""),
    mistake("held-between", {"range": 3}, range_answer="""
def log_variance(rho, a_t, a_s, floor):
    large = 1 - a_t / a_s
    small = floor if a_s == 1 else (1 - a_s) / (1 - a_t) * large
    f = np.clip((rho + 1) / 2, 0, 1)
    return f * np.log(large) + (1 - f) * np.log(small)
"""),
    mistake("no-noise-at-the-end", {"noise": 2}, noise_answer="""
luck = np.random.default_rng(1)

def ends_with(variance):
    def one(x, a_t, a_s):
        mean = ddim_step(x, gaussian_eps(x, a_t, 0.25), a_t, a_s, 1.0, 0.0)
        return mean + (a_s < 1) * np.sqrt(variance(a_t, a_s)) * luck.standard_normal(len(x))
    return walk(starts(20_000), strided(1000, 5), alpha_bar, one).var()

ends_with_beta = ends_with(lambda a_t, a_s: 1 - a_t / a_s)
ends_with_beta_tilde = ends_with(lambda a_t, a_s: (1 - a_s) / (1 - a_t) * (1 - a_t / a_s))
ends_with_best = ends_with(lambda a_t, a_s: (1 - a_t / a_s) * (1 - 0.75 * a_s) / (1 - 0.75 * a_t))
best_f = 0.372
"""),
    mistake("means-of-eta-0", {"noise": 1}, noise_answer="""
luck = np.random.default_rng(1)

def ends_with(variance):
    def one(x, a_t, a_s):
        mean = ddim_step(x, gaussian_eps(x, a_t, 0.25), a_t, a_s, 0.0, 0.0)
        return mean + np.sqrt(variance(a_t, a_s)) * luck.standard_normal(len(x))
    return walk(starts(20_000), strided(1000, 5), alpha_bar, one).var()

ends_with_beta = ends_with(lambda a_t, a_s: 1 - a_t / a_s)
ends_with_beta_tilde = ends_with(lambda a_t, a_s: (1 - a_s) / (1 - a_t) * (1 - a_t / a_s))
ends_with_best = ends_with(lambda a_t, a_s: (1 - a_t / a_s) * (1 - 0.75 * a_s) / (1 - 0.75 * a_t))
best_f = 0.372
"""),
]  # fmt: skip

KINDS = ("nothing", "exit", "syntax", "tests-edited", "numbers-that-equal-all", "answer-elsewhere")

SUBMISSIONS = [
    Submission("instructor"),
    *(Submission(f"other-way-{name}", {}, edit) for name, edit in OTHER_WAYS.items()),
    *MISTAKES,
    *(
        one
        for one in hostile("03_fewer_steps", "room-answer", "room", ["largest_sigma", "sigma_at_eta_1"])
        if one.name in KINDS  # lab 1 has them all
    ),
]
