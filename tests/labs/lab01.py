"""Submissions to lab 1."""

from hostile import hostile
from submissions import Submission, answers

NOISE_TO_THE_END = """
def walk(n, sigma, points, shares, rng):
    x = sigma[-1] * rng.standard_normal(n)
    for t in range(len(sigma) - 1, 0, -1):
        mean, variance = posterior_of(denoise(x, sigma[t], points, shares), x, sigma[t - 1], sigma[t])
        x = mean + np.sqrt(variance) * rng.standard_normal(n)
    return x
"""

OTHER_WAYS = {
    "a": answers(
        jump_answer="""
= Expectation(sigma_s**2*y**2, y) + sigma_t**2 - sigma_s**2
= sigma_s**2 + (sigma_t**2 - sigma_s**2)
= sigma_t**2
""",
        between_answer="variance_of_x_t_given_x_s = 4**2 - 1**2\ncorrelation = 0.25",
        prior_answer="""
= Expectation(-(x_t - x_0)**2/(2*sigma_t**2) + x_t**2/(2*sigma_t**2), x_t, x_0, sigma_t**2)
= Expectation(x_t*x_0/sigma_t**2 - x_0**2/(2*sigma_t**2), x_t, x_0, sigma_t**2)
= x_0*x_0/sigma_t**2 - x_0**2/(2*sigma_t**2)
= (x_0/sigma_t)**2/2
""",
        end_answer="sigma_T_needed = 8.5\nfactor = 10.0",
        posterior_lines="""
~ (2*x_s*x_0 - x_s**2)/(2*sigma_s**2) + (2*x_s*x_t - x_s**2)/(2*(sigma_t**2 - sigma_s**2))
~ -(x_s - (sigma_s**2*x_t + (sigma_t**2 - sigma_s**2)*x_0)/sigma_t**2)**2
  /(2*sigma_s**2*(sigma_t**2 - sigma_s**2)/sigma_t**2)   # completed
= -(x_s - (r*x_t + (1 - r)*x_0))**2/(2*(1 - r)*sigma_s**2)
""",
        step_answer="""
def posterior_of(x_0, x_t, sigma_s, sigma_t):
    gap = sigma_t**2 - sigma_s**2
    mean = (gap * x_0 + sigma_s**2 * x_t) / sigma_t**2
    return [mean, sigma_s**2 * gap / sigma_t**2]
""",
        loss_answer="""
= v*(x_0 - x_hat)**2/(2*sigma_s**4)
= (1/sigma_s**2 - 1/sigma_t**2)*(x_0 - x_hat)**2/2
= ((sigma_t/sigma_s)**2 - 1)*(eps_hat - eps)**2/2
""",
        schedule_answer="""
def geometric(T, low, high):
    return np.append(0, np.exp(np.linspace(np.log(low), np.log(high), T)))
""",
        weight_answer="weight_at_500 = 0.0086\ntimes_at_1000 = 1.0",
        tweedie_answer="""
= x_t - sigma_t**2/(u + sigma_t**2)*(x_t - m)
= m + w*(x_t - m)
""",
        denoise_answer="""
def denoise(x_t, sigma, points, shares):
    found = []
    for x in x_t:
        exponents = [np.log(s) - (x - p) ** 2 / (2 * sigma**2) for p, s in zip(points, shares)]
        weights = [np.exp(e - max(exponents)) for e in exponents]
        found.append(sum(w * p for w, p in zip(weights, points)) / sum(weights))
    return found
""",
        floor_answer="floors = [0.001, 0.4, 0.05]",
        walk_answer="""
def walk(n, sigma, points, shares, rng):
    x = rng.standard_normal(n) * sigma[-1]
    for s, t in zip(sigma[-2::-1], sigma[:0:-1]):
        guess = np.asarray(denoise(x, t, points, shares))
        x = guess + s**2 / t**2 * (x - guess) + s * np.sqrt(1 - s**2 / t**2) * rng.standard_normal(n)
    return x

share_at_1 = 0.7
""",
    ),
    "b": answers(
        jump_answer="""
= Expectation(Expectation(sigma_s**2*y**2 + 2*sigma_s*y*sqrt(sigma_t**2 - sigma_s**2)*z
  + (sigma_t**2 - sigma_s**2)*z**2, z), y)   # multiplied out
= Expectation((sigma_t**2 - sigma_s**2) + sigma_s**2*y**2, y)
= (sigma_t**2 - sigma_s**2) + sigma_s**2*1
= sigma_t**2
""",
        between_answer="variance_of_x_t_given_x_s = np.float64(15)\ncorrelation = np.array(1) / 4",
        prior_answer="""
= (Expectation(x_t**2, x_t, x_0, sigma_t**2) - Expectation((x_t - x_0)**2, x_t, x_0, sigma_t**2))/(2*sigma_t**2)
= (x_0**2 + sigma_t**2 - sigma_t**2)/(2*sigma_t**2)   # second moments
= x_0**2/(2*sigma_t**2)
""",
        end_answer="sigma_T_needed = 1 / np.sqrt(0.02 * np.log(2))\nfactor = np.sqrt(100)",
        posterior_lines="""
= -x_s**2/(2*sigma_s**2) + x_s*x_0/sigma_s**2 - x_0**2/(2*sigma_s**2)
  - (x_t - x_s)**2/(2*(sigma_t**2 - sigma_s**2))
~ -x_s**2/2*(1/sigma_s**2 + 1/(sigma_t**2 - sigma_s**2)) + x_s*(x_0/sigma_s**2 + x_t/(sigma_t**2 - sigma_s**2))
~ -(1/sigma_s**2 + 1/(sigma_t**2 - sigma_s**2))/2*(x_s
  - (x_0/sigma_s**2 + x_t/(sigma_t**2 - sigma_s**2))/(1/sigma_s**2 + 1/(sigma_t**2 - sigma_s**2)))**2
= -1/(2*sigma_s**2*(1 - r))*(x_s - x_0 - r*(x_t - x_0))**2
""",
        step_answer="""
def posterior_of(x_0, x_t, sigma_s, sigma_t):
    if sigma_s == 0:
        return x_0, 0.0
    precision = 1 / sigma_s**2 + 1 / (sigma_t**2 - sigma_s**2)
    return (x_0 / sigma_s**2 + x_t / (sigma_t**2 - sigma_s**2)) / precision, 1 / precision
""",
        loss_answer="""
= v*(sigma_t*eps_hat - sigma_t*eps)**2/(2*sigma_s**4)   # noises at once
= sigma_s**2*(sigma_t**2 - sigma_s**2)/sigma_t**2*sigma_t**2*(eps - eps_hat)**2/(2*sigma_s**4)
= (sigma_t**2 - sigma_s**2)*(eps - eps_hat)**2/(2*sigma_s**2)
""",
        schedule_answer="""
def geometric(T, low, high):
    found, step = [0, low], (high / low) ** (1 / (T - 1))
    while len(found) < T + 1:
        found.append(found[-1] * step)
    return found
""",
        weight_answer="step = 5000 ** (1 / 999)\nweight_at_500 = (step**2 - 1) / 2\ntimes_at_1000 = 2 / 2",
        tweedie_answer="""
= (u*x_t + sigma_t**2*m)/(u + sigma_t**2)
= x_t*w + m*(1 - w)
""",
        denoise_answer="""
import torch

def denoise(x_t, sigma, points, shares):
    x_t, points, shares = map(torch.as_tensor, (x_t, points, shares))
    share = torch.softmax(shares.log() - (x_t[:, None] - points) ** 2 / (2 * sigma**2), dim=1)
    return share @ points
""",
        floor_answer="""
floors = {}
for sigma in (0.25, 1.0, 4.0):  # the doubt about the image, in widths of the noise
    image = np.random.choice([-1.0, 1.0], 200_000, p=[0.3, 0.7])
    seen = image + sigma * np.random.randn(200_000)
    best = np.asarray(denoise(seen, sigma, np.array([-1.0, 1.0]), np.array([0.3, 0.7])))
    floors[sigma] = np.mean((image - best) ** 2) / sigma**2
floors = np.array(list(floors.values()))
""",
        walk_answer="""
def walk(n, sigma, points, shares, rng):
    x = rng.normal(0, sigma[-1], n)
    for t in reversed(range(1, len(sigma))):
        mean, variance = posterior_of(np.asarray(denoise(x, sigma[t], points, shares)), x, sigma[t - 1], sigma[t])
        x = rng.normal(mean, variance**0.5)
    return x

sigmas = np.array(geometric(200, 0.01, 20))
ends = walk(4000, sigmas, np.array([-1.0, 1.0]), np.array([0.3, 0.7]), np.random.default_rng(5))
share_at_1 = np.mean(np.abs(ends - 1) < np.abs(ends + 1))
""",
    ),
    "c": answers(
        jump_answer="""
= Expectation(sigma_s**2*y**2, y) + Expectation((sigma_t**2 - sigma_s**2)*z**2, z)
= sigma_s**2 + Expectation((sigma_t**2 - sigma_s**2)*z**2, z)
= sigma_s**2 + sigma_t**2 - sigma_s**2
= sigma_t**2
""",
        between_answer="variance_of_x_t_given_x_s, correlation = 15.0, 1 / np.sqrt(16)",
        prior_answer="""
= Expectation(x_t**2 - (x_t - x_0)**2, x_t, x_0, sigma_t**2)/(2*sigma_t**2)
= x_0*Expectation(2*x_t - x_0, x_t, x_0, sigma_t**2)/(2*sigma_t**2)
= x_0*(2*x_0 - x_0)/(2*sigma_t**2)
= x_0**2*sigma_t**(-2)/2
""",
        end_answer="""
def cost(sigma):
    return 1 / (2 * sigma**2) / np.log(2)

sigma_T_needed = next(s for s in np.arange(1, 20, 0.01) if cost(s) <= 0.01)
factor = 10
""",
        posterior_lines="""
~ -x_s**2*sigma_t**2/(2*sigma_s**2*(sigma_t**2 - sigma_s**2)) + x_s*x_0/sigma_s**2 + x_s*x_t/(sigma_t**2 - sigma_s**2)
~ -(sigma_t*x_s - (sigma_s**2*x_t + (sigma_t**2 - sigma_s**2)*x_0)/sigma_t)**2/(2*sigma_s**2*(sigma_t**2 - sigma_s**2))
~ -((x_s - x_0) - r*(x_t - x_0))**2/(2*sigma_s**2 - 2*r*sigma_s**2)
""",
        step_answer="""
from collections import namedtuple
Bell = namedtuple("Bell", "mean variance")

posterior_of = lambda x_0, x_t, sigma_s, sigma_t: Bell(
    x_0 + (sigma_s / sigma_t) ** 2 * (x_t - x_0), sigma_s**2 - sigma_s**4 / sigma_t**2)
""",
        loss_answer="""
= (v*x_0/sigma_s**2 - v*x_hat/sigma_s**2)**2/(2*v)
= (x_0 - x_hat)**2/(2*sigma_s**4)/(1/sigma_s**2 + 1/(sigma_t**2 - sigma_s**2))   # its definition
= sigma_t**2*(eps - eps_hat)**2*(1/sigma_s**2 - 1/sigma_t**2)/2
= ((sigma_t/sigma_s)**2 - 1)/2*(eps - eps_hat)**2
""",
        schedule_answer="""
import torch

def geometric(T, low, high):
    return torch.cat([torch.zeros(1), torch.logspace(np.log10(low), np.log10(high), T)])
""",
        weight_answer="""
sigma = np.asarray(geometric(1000, 0.01, 50))
weights = (sigma[2:]**2 / sigma[1:-1]**2 - 1) / 2
weight_at_500, times_at_1000 = weights[498], weights[998] / weights[498]
""",
        tweedie_answer="""
= x_t + sigma_t**2*(m - x_t)/(u + sigma_t**2)
= x_t*u/(u + sigma_t**2) + m*sigma_t**2/(u + sigma_t**2)
= m*(1 - w) + x_t*w
""",
        denoise_answer="""
def denoise(x_t, sigma, points, shares):
    logs = np.log(shares)[:, None] - (x_t[None] - points[:, None]) ** 2 / 2 / sigma**2
    logs -= np.logaddexp.reduce(logs, axis=0)
    return points @ np.exp(logs)
""",
        floor_answer="""
points, floors = np.array([-1.0, 1.0]), []
for sigma in (0.25, 1.0, 4.0):  # by quadrature, no luck
    x = np.linspace(-40, 40, 40_001)
    bells = np.array([0.3, 0.7]) * np.exp(-((x[:, None] - points) ** 2) / 2 / sigma**2)
    p = bells.sum(1)
    d = np.array([*map(float, denoise(x, sigma, points, np.array([0.3, 0.7])))])
    floors.append(float(((1 - d**2) * p).sum() / p.sum()) / sigma**2)
""",
        walk_answer="""
def walk(n, sigma, points, shares, rng):
    def back(x, t):
        if t == 0:
            return x
        later, earlier = float(sigma[t]), float(sigma[t - 1])
        m, v = posterior_of(np.asarray(denoise(x, later, points, shares)), x, earlier, later)
        return back(m + v**0.5 * rng.standard_normal(n), t - 1)
    return back(float(sigma[-1]) * rng.standard_normal(n), len(sigma) - 1)

share_at_1 = float((walk(4000, geometric(200, 0.01, 20), np.array([-1.0, 1.0]), np.array([0.3, 0.7]),
    np.random.default_rng(2)) > 0).mean())
""",
    ),
}


def mistake(name: str, points: dict[str, float], **given: str) -> Submission:
    return Submission(name, points, answers(**given))


MISTAKES = [
    # derivations: a slip costs its form, and the rest goes on from there
    mistake(
        "a-sign",
        {"jump": 3},
        jump_answer="""
= Expectation(sigma_s**2*y**2 + sigma_t**2 + sigma_s**2, y)
= sigma_s**2 + sigma_t**2 + sigma_s**2
= sigma_t**2
""",
    ),
    mistake(
        "a-sign-to-the-end",
        {"prior": 3},
        prior_answer="""
= Expectation((x_t**2 - (x_t - x_0)**2)/(2*sigma_t**2), x_t, x_0, sigma_t**2)
= (2*x_0*x_0 + x_0**2)/(2*sigma_t**2)
= 3*x_0**2/(2*sigma_t**2)
""",
    ),
    mistake(
        "a-number-in-one-term",
        {"posterior": 5, "tweedie": 2},  # the form of the wrong line; the answer follows
        posterior_lines="""
~ -(x_s**2 - x_s*x_0)/(2*sigma_s**2) - (x_s**2 - 2*x_t*x_s)/(2*(sigma_t**2 - sigma_s**2))
~ -(x_s - ((1-r)*x_0/2 + r*x_t))**2/(2*sigma_s**2*(1-r))
""",
        tweedie_answer="= x_t - sigma_t**2*(x_t - m)/(2*(u + sigma_t**2))\n= x_t - (1 - w)*(x_t - m)/2",
    ),
    mistake(
        "a-power-and-on",
        {"loss": 3},  # the next line earns what the wrong one had; the answer is paid alone
        loss_answer="""
= v*(x_0 - x_hat)**2/(2*sigma_s**2)
= v*sigma_t**2*(eps - eps_hat)**2/(2*sigma_s**2)
= (sigma_t**2 - sigma_s**2)*(eps - eps_hat)**2/2
""",
    ),
    mistake(
        "upside-down",
        {"loss": 3},  # what follows has no answer's form
        loss_answer="""
= v*(x_0 - x_hat)**2/(2*sigma_s**4)
= (1/sigma_s**2 + 1/(sigma_t**2 - sigma_s**2))*sigma_t**2*(eps - eps_hat)**2/(2*sigma_s**4)
= sigma_t**4*(eps - eps_hat)**2/(2*sigma_s**6*(sigma_t**2 - sigma_s**2))
""",
    ),
    mistake(
        "equals-for-tilde",
        {"posterior": 5},  # the first such line is wrong, and its form lost
        posterior_lines="""
= -x_s**2/(2*sigma_s**2) + x_s*x_0/sigma_s**2 - x_s**2/(2*(sigma_t**2-sigma_s**2)) + x_s*x_t/(sigma_t**2-sigma_s**2)
= -sigma_t**2/(2*sigma_s**2*(sigma_t**2-sigma_s**2))
  * (x_s - (x_0*(sigma_t**2-sigma_s**2) + x_t*sigma_s**2)/sigma_t**2)**2
= -(x_s - (x_0*(1-r) + r*x_t))**2/(2*sigma_s**2*(1-r))
""",
    ),
    mistake(
        "short-and-complete",
        {},  # an answer after a line that has a form earns the form between, which nobody would write
        prior_answer="""
= Expectation((x_t**2 - (x_t - x_0)**2)/(2*sigma_t**2), x_t, x_0, sigma_t**2)
= x_0**2/(2*sigma_t**2)
""",
        posterior_lines="""
~ -x_s**2/(2*sigma_s**2*(1-r)) + x_s*((1-r)*x_0 + r*x_t)/(sigma_s**2*(1-r))
~ -(x_s - ((1-r)*x_0 + r*x_t))**2/(2*sigma_s**2*(1-r))
""",
    ),
    mistake(
        "wrong-on-purpose",
        {"jump": 0, "prior": 0, "loss": 0, "tweedie": 0},  # no form is easier by a wrong line
        jump_answer="= sigma_t**2*7\n= sigma_t**2*7 + 0\n= sigma_t**2 + 6*sigma_t**2\n= 3*sigma_t**2 + 4*sigma_t**2",
        prior_answer="= x_0**2/sigma_t**2\n= x_0**2/sigma_t**2 + 0\n= 2*x_0**2/(2*sigma_t**2)",
        loss_answer="= eps - eps_hat\n= eps - eps_hat + 0\n= (2*eps - 2*eps_hat)/2",
        tweedie_answer="= x_t\n= x_t + 0*sigma_t\n= x_t + sigma_t - sigma_t\n= w*x_t + (1 - w)*x_t",
    ),
    mistake(
        "in-one-line",
        {"jump": 2, "prior": 2, "loss": 2},  # the answers have the forms before them, too, and are paid alone
        jump_answer="= sigma_t**2",
        prior_answer="= x_0**2/(2*sigma_t**2)",
        loss_answer="= (sigma_t**2/sigma_s**2 - 1)*(eps - eps_hat)**2/2",
    ),
    mistake(
        "two-forms-in-a-line",
        {},
        loss_answer="""
= (1/sigma_s**2 - 1/sigma_t**2)*(x_0 - x_hat)**2/2
= ((sigma_t/sigma_s)**2 - 1)*(eps - eps_hat)**2/2
""",
    ),
    mistake(
        "both-means-in-one-line",
        {},
        jump_answer="= sigma_s**2 + sigma_t**2 - sigma_s**2\n= sigma_t**2",
        prior_answer="= (2*x_0*x_0 - x_0**2)/(2*sigma_t**2)\n= x_0**2/(2*sigma_t**2)",
        posterior_lines="""
~ -sigma_t**2/(2*sigma_s**2*(sigma_t**2 - sigma_s**2))
  * (x_s - (sigma_s**2*x_t + (sigma_t**2 - sigma_s**2)*x_0)/sigma_t**2)**2
= -(x_s - r*x_t - (1 - r)*x_0)**2/(2*sigma_s**2*(1 - r))
""",
    ),
    mistake(
        "padded",
        {"jump": 2},
        jump_answer="""
= Expectation(Expectation((sqrt(sigma_t**2 - sigma_s**2)*z + sigma_s*y)**2, z), y)
= 2*Expectation(Expectation((sigma_s*y + sqrt(sigma_t**2 - sigma_s**2)*z)**2/2, z), y)
= sigma_t**2
= (sigma_t)**2
""",
    ),
    mistake(
        "nonsense-that-goes-on",
        {"jump": 1},
        jump_answer="""
= Expectation(5*y, y)
= sigma_s - sigma_s
= sigma_t - sigma_t
""",
    ),
    mistake("answer-for-a-fact", {"jump": 0}, jump_answer="= sigma_t**2   # known [jump]"),
    mistake("answer-by-name", {"jump": 0}, jump_answer="= variance_of_jump"),
    mistake("explodes", {"jump": 0}, jump_answer="= (sigma_s + sigma_t + y + z)**3000\n= (sigma_s + 1)**9999"),
    mistake("at-most", {"jump": 0}, jump_answer="<= sigma_t**2"),
    mistake(
        "other-start",
        {"jump": 2},
        jump_answer="%%derive forward -> jump\nsigma_t**2 + sigma_s**2\n= sigma_s**2 + sigma_t**2\n= sigma_t**2",
    ),
    mistake(
        "program-in-a-line",
        {"jump": 0},
        jump_answer="= __import__('os').system('true')\n= sigma_t.__class__\n= 10**10**10**10",
    ),
    mistake(
        "not-all-the-way",
        {"posterior": 3, "tweedie": 1, "loss": 3},
        posterior_lines="""
~ -(1/sigma_s**2 + 1/(sigma_t**2 - sigma_s**2))/2*x_s**2 + (x_0/sigma_s**2 + x_t/(sigma_t**2 - sigma_s**2))*x_s
~ -sigma_t**2/(2*sigma_s**2*(sigma_t**2 - sigma_s**2))
  * (x_s - (sigma_s**2*x_t + (sigma_t**2 - sigma_s**2)*x_0)/sigma_t**2)**2
""",
        tweedie_answer="= x_t - sigma_t**2*(x_t - m)/(u + sigma_t**2)",
        loss_answer="= v*(x_0 - x_hat)**2/(2*sigma_s**4)\n= (1/sigma_s**2 - 1/sigma_t**2)*(x_0 - x_hat)**2/2",
    ),
    mistake("swapped", {"posterior": 3}, posterior_lines="""
~ -(1/sigma_s**2 + 1/(sigma_t**2 - sigma_s**2))/2*x_s**2 + (x_0/sigma_s**2 + x_t/(sigma_t**2 - sigma_s**2))*x_s
~ -sigma_t**2/(2*sigma_s**2*(sigma_t**2 - sigma_s**2))
  * (x_s - (sigma_s**2*x_t + (sigma_t**2 - sigma_s**2)*x_0)/sigma_t**2)**2
= -(x_s - r*x_0 - (1 - r)*x_t)**2/(2*sigma_s**2*(1 - r))
"""),
    mistake("downhill", {"tweedie": 2}, tweedie_answer="""
= x_t + sigma_t**2*(x_t - m)/(u + sigma_t**2)
= x_t + (1 - w)*(x_t - m)
= x_t*(2 - w) - (1 - w)*m
"""),
    mistake(
        "variances-for-deviations",
        {"between": 0, "end": 1},
        between_answer="variance_of_x_t_given_x_s, correlation = 3, 1 / 16",
        end_answer="sigma_T_needed, factor = 1 / (2 * 0.01 * np.log(2)), 10",
    ),
    mistake("nats-for-bits", {"end": 1}, end_answer="sigma_T_needed, factor = (1 / 0.02) ** 0.5, 10"),
    mistake("weight-grows", {"weight": 1}, weight_answer="weight_at_500, times_at_1000 = 0.0086, 5000"),
    mistake(
        "forward-variance",
        {"step": 2},
        step_answer="""
def posterior_of(x_0, x_t, sigma_s, sigma_t):
    r = sigma_s**2 / sigma_t**2
    return r * x_t + (1 - r) * x_0, sigma_t**2 - sigma_s**2
""",
        walk_answer="""
def walk(n, sigma, points, shares, rng):
    x = sigma[-1] * rng.standard_normal(n)
    for t in range(len(sigma) - 1, 0, -1):
        r = sigma[t - 1]**2 / sigma[t]**2
        guess = denoise(x, sigma[t], points, shares)
        x = guess + r * (x - guess) + sigma[t - 1] * np.sqrt(1 - r) * rng.standard_normal(n)
    return x

share_at_1 = 0.69
""",
    ),
    mistake(
        "unstable",
        {"denoise": 4},
        denoise_answer="""
def denoise(x_t, sigma, points, shares):
    weight = shares * np.exp(-((x_t[:, None] - points) ** 2) / (2 * sigma**2))
    return (weight * points).sum(1) / weight.sum(1)
""",
        walk_answer="def walk(n, sigma, points, shares, rng):\n    return denoise(np.zeros(n), 1.0, points, shares)",
    )._replace(points={"denoise": 4, "walk": 1}),
    mistake(
        "nearest-point",
        {"denoise": 1, "floor": 2, "walk": 4},  # the walk is tested with a right denoise; its share is measured
        denoise_answer="""
def denoise(x_t, sigma, points, shares):
    return points[np.abs(x_t[:, None] - points).argmin(1)]
""",
    ),
    mistake(
        "linear-schedule",
        {"schedule": 1, "weight": 2},
        schedule_answer="def geometric(T, low, high):\n    return np.append(0, np.linspace(low, high, T))",
        weight_answer="weight_at_500, times_at_1000 = 0.0086, 1",
        walk_answer=NOISE_TO_THE_END + "\nshare_at_1 = 0.7\n",
    ),
    mistake(
        "off-by-one-schedule",
        {"schedule": 0, "weight": 0, "walk": 4},
        schedule_answer="def geometric(T, low, high):\n    return np.geomspace(low, high, T)",
        weight_answer="",
        walk_answer=NOISE_TO_THE_END,
    ),
    mistake("floors-of-the-image", {"floor": 3}, floor_answer="floors = [0.0001, 0.4, 0.8]"),
    # a mistake in a function costs its own points, and those of what is measured with it
    mistake(
        "r-not-squared",
        {"step": 1, "walk": 4},
        step_answer="""
def posterior_of(x_0, x_t, sigma_s, sigma_t):
    r = sigma_s / sigma_t
    return (1 - r) * x_0 + r * x_t, sigma_s**2 * (1 - r)
""",
        walk_answer=NOISE_TO_THE_END + "\nshare_at_1 = 0.5\n",
    ),
    mistake(
        "shares-forgotten",
        {"denoise": 3, "walk": 4},
        denoise_answer="""
def denoise(x_t, sigma, points, shares):
    exponent = -((x_t[..., None] - points) ** 2) / (2 * sigma**2)
    weight = np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return weight @ points / weight.sum(axis=-1)
""",
        floor_answer="floors = [0.001, 0.4, 0.05]",
        walk_answer=NOISE_TO_THE_END + "\nshare_at_1 = 0.5\n",
    ),
    mistake(
        "another-signature",  # own functions that fit together lose nothing
        {"step": 0},
        step_answer="def posterior_of(x_t, guess, later, earlier):\n    r = earlier**2 / later**2\n"
        "    return dict(mean=r * x_t + (1 - r) * guess, deviation=earlier * np.sqrt(1 - r))",
        walk_answer="""
def walk(n, sigma, points, shares, rng):
    x = sigma[-1] * rng.standard_normal(n)
    for t in range(len(sigma) - 1, 0, -1):
        bell = posterior_of(x, denoise(x, sigma[t], points, shares), sigma[t], sigma[t - 1])
        x = bell["mean"] + bell["deviation"] * rng.standard_normal(n)
    return x

share_at_1 = 0.7
""",
    ),
    # functions that hang or die when they are called
    mistake("endless-function", {"step": 0, "walk": 0}, step_answer="def posterior_of(*rest):\n    while True: pass",
        walk_answer="def walk(*rest):\n    return posterior_of(0, 0, 0, 0)"),
    mistake("deadly-function", {"schedule": 0}, schedule_answer="def geometric(*rest):\n    import os\n    os._exit(3)",
        weight_answer="weight_at_500, times_at_1000 = 0.0086, 1", walk_answer="""
def walk(n, sigma, points, shares, rng):
    x = sigma[-1] * rng.standard_normal(n)
    for t in range(len(sigma) - 1, 0, -1):
        mean, variance = posterior_of(denoise(x, sigma[t], points, shares), x, sigma[t - 1], sigma[t])
        x = mean + np.sqrt(variance) * rng.standard_normal(n)
    return x

share_at_1 = 0.7
"""),
]  # fmt: skip

SUBMISSIONS = [
    Submission("instructor"),
    *(Submission(f"other-way-{name}", {}, edit) for name, edit in OTHER_WAYS.items()),
    *MISTAKES,
    *hostile("01_mathematics", "between-answer", "between", ["variance_of_x_t_given_x_s", "correlation"]),
]
