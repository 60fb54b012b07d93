"""Submissions to lab 4."""

from hostile import hostile
from submissions import Submission, answers

BOUND = """
def bound(x_0, alpha_bar, guess, width, rng):
    T, snr = len(alpha_bar) - 1, alpha_bar[1:] / (1 - alpha_bar[1:])
    mixed = lambda t, z: np.sqrt(alpha_bar[t]) * x_0 + np.sqrt(1 - alpha_bar[t]) * z
    L_T = np.mean((alpha_bar[T] * x_0**2 - alpha_bar[T] - np.log(1 - alpha_bar[T])) / 2)
    steps = 0
    for t in range(2, T + 1):
        z = rng.standard_normal(len(x_0))
        steps += STEP
    L_0 = np.mean(-decoder(x_0, guess(mixed(1, rng.standard_normal(len(x_0))), 1), width))
    return [L_T / np.log(2), steps / np.log(2), L_0 / np.log(2)]
"""
RIGHT_STEP = "(snr[t - 2] - snr[t - 1]) / 2 * np.mean((x_0 - guess(mixed(t, z), t)) ** 2)"
GUIDED = """
def guided(model, y, w):
    def noise(x_t, t):
        c, n = model(x_t, t, y), model(x_t, t, None)
        return {}
    return noise
"""
SHARP = """
bells = shares * np.exp(-((grid[:, None] - peaks) ** 2) / (2 * variance))
q, p = bells.sum(1), bells[:, 1] / bells.sum(1)
density = {} / np.sum({})
mean = np.sum(density * grid)
sharpened = mean, np.sum(density * (grid - mean) ** 2) ** 0.5
at_last = {}
walked = at_last.mean(), at_last.std()
at_last = walk(starts, alpha_bar, mixture(density, grid, 0.0, alpha_bar))
control = at_last.mean(), at_last.std()
"""


def drawn(density="q * p**3", ends="walk(starts, alpha_bar, guided(two_peaks, 1, 3.0))"):
    """The last measurement, of another density or another walk."""
    return SHARP.format(density, density, ends)


OTHER_WAYS = {
    "a": answers(
        bits_answer="""
uniform_bits = -np.log2(1 / 256)
bell = np.exp(-(levels**2) / 0.08)
bell_bits = -(bell / bell.sum() * np.log2(bell / bell.sum())).sum()
saved_by_halving = np.log2(0.2 / 0.1)
""",
        decoder_answer="""
def decoder(x_0, mean, sigma):
    x_0 = np.asarray(x_0)
    lower = np.where(x_0 < -0.999, -np.inf, x_0 - 1 / 255)
    upper = np.where(x_0 > 0.999, np.inf, x_0 + 1 / 255)
    flip = x_0 > mean
    a = np.where(flip, mean - upper, lower - mean) / sigma
    b = np.where(flip, mean - lower, upper - mean) / sigma
    return log_Phi(b) + np.log1p(-np.exp(log_Phi(a) - log_Phi(b)))
""",
        dims_answer="""
def bits_per_dim(log_p):
    return [float(-sum(image.flatten()) / image.size / np.log(2)) for image in log_p]
""",
        step_answer="""
= (sqrt(a_s)*beta/(1 - a_t))**2*(x_0 - x_hat)**2/(2*beta*(1 - a_s)/(1 - a_t))
= (a_s - a_t)*(x_0 - x_hat)**2/(2*(1 - a_s)*(1 - a_t))   # beta put in
= (x_0 - x_hat)**2*(snr_s - snr_t)/2
""",
        error_answer="""
= Expectation(x_0**2 - 2*g*sqrt(a_t)*x_0**2 + g**2*(a_t*x_0**2 + 1 - a_t), x_0, 0, v)
= v - 2*g*sqrt(a_t)*v + g**2*(a_t*v + 1 - a_t)
= v - a_t*v**2/(a_t*v + 1 - a_t)
= 1/(1/v + snr_t)
""",
        longer_answer="factor_if_doubled, excess_with_true_variance = 2 * (1 / 2) ** 2, 0.0",
        bound_answer=BOUND.replace("STEP", RIGHT_STEP),
        excess_answer="""
def above(T):
    snr = np.geomspace(1000, 0.001, T)
    r = (25 + snr[:-1]) / (25 + snr[1:])
    return np.sum(r - 1 - np.log(r)) / 2 / np.log(2)   # as derived

excess = np.array([above(25), above(50), above(100)])
""",
        sharp_lines="""
~ -P*x**2/2 + w*m*x/u
= -P*(x - w*m/(P*u))**2/2 + (w*m/u)**2/(2*P)
~ -P*(x - w*m/(P*u))**2/2
""",
        louder_answer="sharp_mean, sharp_variance, scale_in_the_paper = 0.738, 0.077, 4 - 1",
        guided_answer="""
class guided:
    def __init__(self, model, y, w):
        self.model, self.y, self.w = model, y, w

    def __call__(self, x_t, t):
        return (1 - self.w) * self.model(x_t, t, None) + self.w * self.model(x_t, t, self.y)
""",
        walk_answer="""
def walk(x_T, alpha_bar, model):
    y = x_T / np.sqrt(alpha_bar[-1])   # as a process that only adds noise
    sigma = np.sqrt(1 / np.asarray(alpha_bar) - 1)
    for t in range(len(alpha_bar) - 1, 0, -1):
        y = y + (sigma[t - 1] - sigma[t]) * model(y * np.sqrt(alpha_bar[t]), t)
    return y
""",
        drawn_answer=drawn("bells[:, 1] ** 3 / q**2"),
    ),
    "b": answers(
        bits_answer="uniform_bits, bell_bits, saved_by_halving = 8.0, 6.7, 1.0",
        decoder_answer="""
import math
import torch
from mini_ddpm.losses import decoder_log_likelihood

def decoder(x_0, mean, sigma):
    mean = torch.as_tensor(np.broadcast_to(mean, np.shape(x_0)).copy())
    log_variance = torch.tensor(2 * math.log(sigma), dtype=torch.float64)
    return decoder_log_likelihood(torch.as_tensor(x_0), mean, log_variance).numpy()
""",
        dims_answer="""
def bits_per_dim(log_p):
    return -(log_p / np.log(2)).reshape(len(log_p), -1).mean(1)
""",
        step_answer="""
= a_s*beta**2/(1 - a_t)**2*(x_hat - x_0)**2*(1 - a_t)/(2*beta*(1 - a_s))
= a_s*(1 - a_t/a_s)/(2*(1 - a_t)*(1 - a_s))*(x_hat - x_0)**2
= snr_s*(x_0 - x_hat)**2/2 - snr_t*(x_0 - x_hat)**2/2
""",
        error_answer="""
= Expectation(((1 - g*sqrt(a_t))*x_0)**2, x_0, 0, v) + Expectation(g**2*(1 - a_t)*z**2, z)
= (1 - g*sqrt(a_t))**2*v + g**2*(1 - a_t)
= v*(1 - sqrt(a_t)*g)   # g is the one for which this holds
= v/(snr_t*v + 1)
""",
        longer_answer="factor_if_doubled = 0.45\nexcess_with_true_variance = np.zeros(24).sum()",
        bound_answer="""
def bound(x_0, alpha_bar, guess, width, rng):
    T, bits = len(alpha_bar) - 1, np.log2(np.e)

    def gaussians(mean_1, variance_1, mean_2, variance_2):
        ratio = variance_1 / variance_2
        return (ratio + (mean_1 - mean_2) ** 2 / variance_2 - 1 - np.log(ratio)) / 2

    def posterior(image, x_t, t):
        a_t, a_s = alpha_bar[t], alpha_bar[t - 1]
        beta = 1 - a_t / a_s
        mean = np.sqrt(a_s) * beta / (1 - a_t) * image + np.sqrt(a_t / a_s) * (1 - a_s) / (1 - a_t) * x_t
        return mean, beta * (1 - a_s) / (1 - a_t)

    end = gaussians(np.sqrt(alpha_bar[T]) * x_0, 1 - alpha_bar[T], 0, 1).mean()
    costs = {}
    for t in reversed(range(1, T + 1)):
        x_t = alpha_bar[t] ** 0.5 * x_0 + (1 - alpha_bar[t]) ** 0.5 * rng.standard_normal(x_0.shape)
        image = guess(x_t, t)
        if t > 1:
            costs[t] = gaussians(*posterior(x_0, x_t, t), *posterior(image, x_t, t)).mean()
        else:
            costs[t] = -decoder(x_0, image, width).mean()
    return end * bits, sum(costs[t] for t in costs if t > 1) * bits, costs[1] * bits
""",
        excess_answer="""
excess = []
for T in (25, 50, 100):
    own = np.random.default_rng(T)
    picture = to_levels(0.2 * own.standard_normal(60_000))
    a = chain(T)
    L_T, L_steps, L_0 = bound(picture, a, best_guess(a, 0.2**2), last_width(a, 0.2**2), own)
    excess += [L_T + L_steps + L_0 + decoder(picture, 0, 0.2).mean() / np.log(2)]
""",
        sharp_lines="""
= -w*x**2/(2*u) + w*m*x/u - w*m**2/(2*u) - (1 - w)*x**2/2
~ -(w/u + 1 - w)*x**2/2 + w*m*x/u
~ -((w + u - w*u)*x - w*m)**2/(2*u*(w + u - w*u))
""",
        louder_answer="""
P = 4 / 0.25 + 1 - 4
sharp_mean, sharp_variance = 4 * 0.6 / 0.25 / P, 1 / P
scale_in_the_paper = 3.0
""",
        guided_answer="""
guided = lambda model, y, w: lambda x_t, t: model(x_t, t, y) + (w - 1) * (model(x_t, t, y) - model(x_t, t, None))
""",
        walk_answer="""
def walk(x_T, alpha_bar, model):
    def back(x, t):
        if t == 0:
            return x
        a, b = alpha_bar[t], alpha_bar[t - 1]
        eps = model(x, t)
        return back((b / a) ** 0.5 * x + ((1 - b) ** 0.5 - (b * (1 - a) / a) ** 0.5) * eps, t - 1)
    return back(np.array(x_T), len(alpha_bar) - 1)
""",
        drawn_answer="""
def moments(x, shares=None):
    mean = np.average(x, weights=shares)
    return [mean, np.sqrt(np.average((x - mean) ** 2, weights=shares))]

chance = 1 / (1 + 1.5 * np.exp(-2 * 0.5 * grid / 0.16))   # of label 1
weight = (0.6 * np.exp(-(grid + 0.5) ** 2 / 0.32) + 0.4 * np.exp(-(grid - 0.5) ** 2 / 0.32)) * chance**3
own = np.random.default_rng(3).standard_normal(2000)
sharpened = moments(grid, weight)
walked = moments(walk(own, alpha_bar, guided(two_peaks, 1, 3)))
control = moments(walk(starts, alpha_bar, mixture(weight / weight.sum(), grid, 0.0, alpha_bar)))
""",
    ),
    "c": answers(
        bits_answer="""
uniform_bits = np.log(256) / np.log(2)
edges = np.array([-np.inf, *(levels[1:] - 1 / 255), np.inf])
share = np.diff(Phi(edges / 0.2))
bell_bits = -np.sum(share[share > 0] * np.log2(share[share > 0]))
saved_by_halving = 1
""",
        decoder_answer="""
import torch

def decoder(x_0, mean, sigma):
    x, mean = torch.as_tensor(x_0).double(), torch.as_tensor(mean).double()
    side = torch.where(x >= mean, -1.0, 1.0)
    low = torch.where(x < -0.9999, -torch.inf, x - 1 / 255)
    high = torch.where(x > 0.9999, torch.inf, x + 1 / 255)
    ends = torch.stack([side * (low - mean), side * (high - mean)]) / sigma
    tails = torch.special.log_ndtr(ends.sort(dim=0).values)
    return tails[1] + torch.log(-torch.expm1(tails[0] - tails[1]))
""",
        dims_answer="""
import torch

def bits_per_dim(log_p):
    return -torch.as_tensor(log_p).flatten(1).mean(dim=1) / np.log(2)
""",
        step_answer="""
= (sqrt(a_s)*beta*x_0/(1 - a_t) - sqrt(a_s)*beta*x_hat/(1 - a_t))**2/(2*beta*(1 - a_s)/(1 - a_t))
= (1/(1 - a_s) - 1/(1 - a_t))*(x_0 - x_hat)**2/2   # a fraction is one more than its SNR
= ((1 + snr_s) - (1 + snr_t))*(x_0 - x_hat)**2/2
""",
        error_answer="""
= Expectation((1 - g*sqrt(a_t))**2*v + g**2*(1 - a_t)*z**2, z)   # x_0 first
= (1 - g*sqrt(a_t))**2*v + g**2*(1 - a_t)
= v - g**2*(a_t*v + 1 - a_t)
= v - v**2*snr_t/(1 + v*snr_t)
""",
        longer_answer="factor_if_doubled, excess_with_true_variance = 0.475, 0",
        bound_answer="""
def bound(x_0, alpha_bar, guess, width, rng):
    a = np.asarray(alpha_bar)[1:, None]
    noise = rng.standard_normal((len(a), len(x_0)))
    seen = np.sqrt(a) * x_0 + np.sqrt(1 - a) * noise
    guesses = np.array([guess(row, t) for t, row in enumerate(seen, 1)])
    squares = ((guesses - x_0) ** 2).mean(1)[1:]
    snr = (a / (1 - a))[:, 0]
    last = alpha_bar[-1]
    parts = np.array([
        np.mean(last * x_0**2 + (1 - last) - 1 - np.log(1 - last)) / 2,
        -np.diff(snr) / 2 @ squares,
        -np.mean(np.asarray(decoder(x_0, guesses[0], width))),
    ])
    return parts / np.log(2)
""",
        excess_answer="""
source = np.random.default_rng(11)
pixels = to_levels(source.normal(0, 0.2, 80_000))
true = float(np.mean(np.asarray(decoder(pixels, 0.0, 0.2)))) / -np.log(2)
excess = {}
for T in (25, 50, 100):
    excess[T] = sum(bound(pixels, chain(T), best_guess(chain(T), 0.04), last_width(chain(T), 0.04), source)) - true
excess = tuple(excess.values())
""",
        sharp_lines="""
~ x*(w*m/u - P*x/2)
~ -(P*x - w*m/u)**2/(2*P)
""",
        louder_answer="""
x = np.linspace(-5, 5, 20_001)
weight = np.exp(-4 * (x - 0.6) ** 2 / 0.5 + 3 * x**2 / 2)
weight /= weight.sum()
sharp_mean = (x * weight).sum()
sharp_variance = ((x - sharp_mean) ** 2 * weight).sum()
scale_in_the_paper = 3
""",
        guided_answer="""
from functools import partial

def mixed(model, y, w, x_t, t):
    answers = {"with": model(x_t, t, y=y), "without": model(x_t, t)}
    return w * answers["with"] - (w - 1) * answers["without"]

def guided(model, y, w):
    return partial(mixed, model, y, w)
""",
        walk_answer="""
from itertools import pairwise

def walk(x_T, alpha_bar, model):
    for t, s in pairwise(range(len(alpha_bar) - 1, -1, -1)):
        eps = model(x_T, t)
        image = x_T / alpha_bar[t] ** 0.5 - (1 / alpha_bar[t] - 1) ** 0.5 * eps
        x_T = alpha_bar[s] ** 0.5 * image + (1 - alpha_bar[s]) ** 0.5 * eps
    return x_T
""",
        drawn_answer="""
log_q = np.log([sum(s * np.exp(-(x - m) ** 2 / 0.32) for s, m in zip(shares, peaks)) for x in grid])
log_class = -(grid - 0.5) ** 2 / 0.32
log_sharp = 3 * log_class - 2 * log_q
sharp = np.exp(log_sharp - np.logaddexp.reduce(log_sharp))
found = {}
for name, model in (("walked", guided(two_peaks, 1, 3)), ("control", mixture(sharp, grid, 0, alpha_bar))):
    found[name] = walk(starts, alpha_bar, model)
walked, control = ((x.mean(), x.var() ** 0.5) for x in found.values())
sharpened = np.array([sharp @ grid, (sharp @ grid**2 - (sharp @ grid) ** 2) ** 0.5])
""",
    ),
}


def mistake(name: str, points: dict[str, float], **given: str) -> Submission:
    return Submission(name, points, answers(**given))


MISTAKES = [
    # bits
    mistake(
        "nats",
        {"bits": 0, "dims": 0, "bound": 0, "excess": 1},
        bits_answer="uniform_bits, bell_bits, saved_by_halving = 5.545, 4.658, 0.693",
        dims_answer="def bits_per_dim(log_p):\n    return -log_p.mean(axis=(1, 2, 3))",
        bound_answer=BOUND.replace("STEP", RIGHT_STEP).replace(" / np.log(2)", ""),
        excess_answer="excess = [0.465, 0.209, 0.0993]",
    ),
    mistake(
        "bits-of-the-image",
        {"dims": 0},
        dims_answer="def bits_per_dim(log_p):\n    return -log_p.sum(axis=(1, 2, 3)) / np.log(2)",
    ),
    mistake(
        "mean-over-the-batch", {"dims": 0}, dims_answer="def bits_per_dim(log_p):\n    return -log_p.mean() / np.log(2)"
    ),
    mistake(
        "bits-of-a-pixel",
        {"dims": 1},
        dims_answer="def bits_per_dim(log_p):\n    return -log_p.mean(axis=(2, 3)).sum(axis=1) / np.log(2)",
    ),
    mistake(
        "no-minus",
        {"dims": 0},
        dims_answer="def bits_per_dim(log_p):\n    return log_p.mean(axis=(1, 2, 3)) / np.log(2)",
    ),
    mistake(
        "density-for-a-probability",
        {"bits": 2},
        bits_answer="uniform_bits, bell_bits, saved_by_halving = 8, np.log2(0.2 * np.sqrt(2 * np.pi * np.e)), 1",
    ),
    mistake(
        "beta-lost",
        {"step": 1},  # beta is gone by the slip, so that is no merit
        step_answer="""
= (sqrt(a_s)*beta/(1 - a_t)*(x_0 - x_hat))**2/(2*beta*(1 - a_s)/(1 - a_t))
= a_s*(x_0 - x_hat)**2/(2*(1 - a_s)*(1 - a_t))
= snr_s*(x_0 - x_hat)**2/(2*(1 - a_t))
""",
    ),
    # the decoder
    mistake(
        "half-bins",
        {"decoder": 0},  # the bound is tested with a right decoder, as it fails with this one
        decoder_answer="""
def decoder(x_0, mean, sigma):
    z, half = (x_0 - mean) / sigma, 1 / 510 / sigma
    upper, lower = log_Phi(half - np.abs(z)), log_Phi(-half - np.abs(z))
    inside = upper + np.log(-np.expm1(lower - upper))
    return np.where(np.abs(x_0) > 0.999, log_Phi(half - np.sign(x_0) * z), inside)
""",
    ),
    mistake(
        "closed-ends",
        {"decoder": 4},
        decoder_answer="""
def decoder(x_0, mean, sigma):
    z, half = (x_0 - mean) / sigma, 1 / 255 / sigma
    upper, lower = log_Phi(half - np.abs(z)), log_Phi(-half - np.abs(z))
    return upper + np.log(-np.expm1(lower - upper))
""",
    ),
    mistake(
        "unstable",
        {"decoder": 4},
        decoder_answer="""
def decoder(x_0, mean, sigma):
    upper = np.where(x_0 > 0.999, 1.0, Phi((x_0 + 1 / 255 - mean) / sigma))
    lower = np.where(x_0 < -0.999, 0.0, Phi((x_0 - 1 / 255 - mean) / sigma))
    return np.log(upper - lower)
""",
    ),
    mistake(
        "clamped",
        {"decoder": 4},
        decoder_answer="""
def decoder(x_0, mean, sigma):
    upper = np.where(x_0 > 0.999, 1.0, Phi((x_0 + 1 / 255 - mean) / sigma))
    lower = np.where(x_0 < -0.999, 0.0, Phi((x_0 - 1 / 255 - mean) / sigma))
    return np.log(np.maximum(upper - lower, 1e-12))
""",
    ),
    mistake(
        "stable-on-one-side",
        {"decoder": 5},
        decoder_answer="""
def decoder(x_0, mean, sigma):
    upper = np.where(x_0 > 0.999, np.inf, (x_0 + 1 / 255 - mean) / sigma)
    lower = np.where(x_0 < -0.999, -np.inf, (x_0 - 1 / 255 - mean) / sigma)
    return log_Phi(upper) + np.log(-np.expm1(log_Phi(lower) - log_Phi(upper)))
""",
    ),
    mistake(
        "bins-from-level-to-level",
        {"decoder": 1},
        decoder_answer="""
def decoder(x_0, mean, sigma):
    lower = np.where(x_0 < -0.999, -np.inf, (x_0 - mean) / sigma)
    upper = np.where(x_0 > 0.999, np.inf, (x_0 + 2 / 255 - mean) / sigma)
    right = lower > 0
    lower, upper = np.where(right, -upper, lower), np.where(right, -lower, upper)
    return log_Phi(upper) + np.log1p(-np.exp(log_Phi(lower) - log_Phi(upper)))
""",
    ),
    mistake(
        "density-times-bin",
        {"decoder": 0},
        decoder_answer="""
def decoder(x_0, mean, sigma):
    return -((x_0 - mean) ** 2) / (2 * sigma**2) - np.log(sigma * np.sqrt(2 * np.pi)) + np.log(2 / 255)
""",
    ),
    mistake(
        "probabilities-for-logarithms",
        {"decoder": 0, "excess": 1},
        decoder_answer="""
def decoder(x_0, mean, sigma):
    z, half = (x_0 - mean) / sigma, 1 / 255 / sigma
    inside = Phi(half - np.abs(z)) - Phi(-half - np.abs(z))
    return np.where(np.abs(x_0) > 0.999, Phi(half - np.sign(x_0) * z), inside)
""",
    ),
    # derivations
    mistake(
        "a-sign",
        {"step": 4, "sharp": 3},  # of the error, the line that comes back has both forms
        step_answer="""
= (sqrt(a_s)*beta/(1 - a_t)*(x_0 + x_hat))**2*(1 - a_t)/(2*beta*(1 - a_s))
= (a_s - a_t)/(2*(1 - a_t)*(1 - a_s))*(x_0 + x_hat)**2
= (snr_s - snr_t)*(x_0 + x_hat)**2/2
""",
        error_answer="""
= Expectation((1 - g*sqrt(a_t))**2*x_0**2 - g**2*(1 - a_t), x_0, 0, v)
= (1 - g*sqrt(a_t))**2*v - g**2*(1 - a_t)
= (1 - g*sqrt(a_t))**2*v + g**2*(1 - a_t)
= v/(1 + v*snr_t)
""",
        sharp_lines="""
~ -(w/u + 1 - w)/2*x**2 - w*m/u*x
~ -P/2*(x + w*m/(u*P))**2
""",
    ),
    mistake(
        "in-one-line",
        {"step": 2, "error": 2, "sharp": 3},
        step_answer="= (snr_s - snr_t)*(x_0 - x_hat)**2/2",
        error_answer="= v/(1 + v*snr_t)",
        sharp_lines="~ -P/2*(x - w*m/(u*P))**2",
    ),
    mistake(
        "not-all-the-way",
        {"step": 3, "error": 2, "sharp": 2},
        step_answer="""
= (sqrt(a_s)*beta/(1 - a_t)*(x_0 - x_hat))**2*(1 - a_t)/(2*beta*(1 - a_s))
= (a_s - a_t)/(2*(1 - a_t)*(1 - a_s))*(x_0 - x_hat)**2
""",
        error_answer="""
= Expectation((1 - g*sqrt(a_t))**2*x_0**2 + g**2*(1 - a_t), x_0, 0, v)
= (1 - g*sqrt(a_t))**2*v + g**2*(1 - a_t)
= v*(1 - a_t)/(a_t*v + 1 - a_t)
""",
        sharp_lines="~ -P*x**2/2 + w*m/u*x",
    ),
    mistake(
        "one-more-for-w",
        {"sharp": 0, "louder": 0},
        sharp_lines="""
~ -((1 + w)/u - w)/2*x**2 + (1 + w)*m/u*x
~ -((1 + w)/u - w)/2*(x - (1 + w)*m/(1 + w - w*u))**2
""",
        louder_answer="sharp_mean, sharp_variance, scale_in_the_paper = 0.75, 0.0625, 5",
    ),
    mistake(
        "as-if-the-crowd-were-flat",
        {"louder": 1},
        louder_answer="sharp_mean, sharp_variance, scale_in_the_paper = 0.6, 0.25 / 4, 3",
    ),
    # the bound
    mistake(
        "halves-of-halves",
        {"longer": 1},
        longer_answer="factor_if_doubled, excess_with_true_variance = 0.25, 0",
    ),
    mistake("no-change", {"longer": 0}, longer_answer="factor_if_doubled, excess_with_true_variance = 1, 0.67"),
    mistake(
        "noise-for-image",
        {"bound": 3, "excess": 0},
        bound_answer=BOUND.replace(
            "STEP",
            "(snr[t - 2] - snr[t - 1]) / 2 * np.mean((z - (mixed(t, z) - np.sqrt(alpha_bar[t]) * guess(mixed(t, z), t))"
            " / np.sqrt(1 - alpha_bar[t])) ** 2)",
        ),
    ),
    mistake(
        "a-step-late",
        {"bound": 3, "excess": 0},
        bound_answer=BOUND.replace(
            "STEP", "(snr[t - 1] - snr[min(t, T - 1)]) / 2 * np.mean((x_0 - guess(mixed(t, z), t)) ** 2)"
        ),
    ),
    mistake(
        "variances-for-deviations",
        {"bound": 3, "excess": 0},
        bound_answer=BOUND.replace("STEP", RIGHT_STEP).replace(
            "np.sqrt(alpha_bar[t]) * x_0 + np.sqrt(1 - alpha_bar[t]) * z", "alpha_bar[t] * x_0 + (1 - alpha_bar[t]) * z"
        ),
    ),
    mistake(
        "sums-for-means",
        {"bound": 0, "excess": 0},
        bound_answer=BOUND.replace("STEP", RIGHT_STEP).replace("np.mean", "np.sum"),
        excess_answer="""
excess = []
for T in (25, 50, 100):
    x = to_levels(0.2 * np.random.default_rng(0).standard_normal(40_000))
    parts = bound(x, chain(T), best_guess(chain(T), 0.04), last_width(chain(T), 0.04), np.random.default_rng(1))
    excess.append(sum(parts) + decoder(x, 0, 0.2).mean() / np.log(2))
""",
    )._replace(points={"bound": 0, "excess": 1}),
    # guidance
    mistake(
        "the-papers-scale",
        {"guided": 0, "drawn": 3},
        guided_answer=GUIDED.format("(1 + w) * c - w * n"),
        drawn_answer=drawn(),
    ),
    mistake(
        "away-from-the-label",
        {"guided": 1, "drawn": 3},
        guided_answer=GUIDED.format("n - w * (c - n)"),
        drawn_answer=drawn(),
    ),
    mistake(
        "always-asked",
        {"guided": 1, "drawn": 3},
        guided_answer=GUIDED.replace("None", "y").format("n + w * (c - n)"),
        drawn_answer=drawn(),
    ),
    mistake(
        "conditional-twice",
        {"guided": 1, "drawn": 3},
        guided_answer=GUIDED.format("c + w * (c - n) * 0"),
        drawn_answer=drawn(),
    ),
    mistake(
        "with-dice",
        {"walk": 1, "drawn": 3},
        walk_answer="""
def walk(x_T, alpha_bar, model):
    dice, x = np.random.default_rng(4), x_T
    for t in range(len(alpha_bar) - 1, 0, -1):
        a, b = alpha_bar[t], alpha_bar[t - 1]
        image = (x - np.sqrt(1 - a) * model(x, t)) / np.sqrt(a)
        beta = 1 - a / b
        mean = (np.sqrt(b) * beta * image + np.sqrt(1 - beta) * (1 - b) * x) / (1 - a)
        x = mean + np.sqrt(beta * (1 - b) / (1 - a)) * dice.standard_normal(len(x))
    return x
""",
        drawn_answer=drawn(),
    ),
    mistake(
        "stops-at-1",
        {"walk": 0},
        walk_answer="""
def walk(x_T, alpha_bar, model):
    x = x_T
    for t in range(len(alpha_bar) - 1, 1, -1):
        noise = model(x, t)
        image = (x - np.sqrt(1 - alpha_bar[t]) * noise) / np.sqrt(alpha_bar[t])
        x = np.sqrt(alpha_bar[t - 1]) * image + np.sqrt(1 - alpha_bar[t - 1]) * noise
    return x
""",
    ),
    mistake("counts-the-label-once-more", {"drawn": 2}, drawn_answer=drawn("bells[:, 1] * p**3")),
    mistake("forgets-the-crowd", {"drawn": 2}, drawn_answer=drawn("p**3")),
    mistake(
        "believes-it",
        {"drawn": 3},
        drawn_answer=drawn().replace("walked = at_last.mean(), at_last.std()", "walked = sharpened"),
    ),
    mistake(
        "a-variance",
        {"drawn": 1},
        drawn_answer=drawn().replace("** 0.5", "").replace(".std()", ".var()"),
    ),
]

SUBMISSIONS = [
    Submission("instructor"),
    *(Submission(f"other-way-{name}", {}, edit) for name, edit in OTHER_WAYS.items()),
    *MISTAKES,
    *(
        one
        for one in hostile(
            "04_likelihood_guidance", "bits-answer", "bits", ["uniform_bits", "bell_bits", "saved_by_halving"]
        )
        if one.name in ("nothing", "kernel-dies", "swallows-errors", "patches-the-checker")
    ),
]
