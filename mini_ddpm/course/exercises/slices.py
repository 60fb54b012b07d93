"""q(x_s | x_t, x_r) for exercise 04.6: mean and variance, right and as people get them wrong."""


def posterior(x_0: float, x_t: float, bar_t: float, bar_s: float) -> tuple[float, float]:
    """Mean and variance of q(x_s | x_t, x_0)."""
    kept = bar_t / bar_s
    mean = kept**0.5 * (1 - bar_s) / (1 - bar_t) * x_t + bar_s**0.5 * (1 - kept) / (1 - bar_t) * x_0
    return mean, (1 - bar_s) / (1 - bar_t) * (1 - kept)


def between(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    """Mean and variance of q(x_s | x_t, x_r): the chain begun at r."""
    return posterior(x_r, x_t, bar_t / bar_r, bar_s / bar_r)


def from_the_image(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    return posterior(x_r, x_t, bar_t, bar_s)


def half_from_r(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    return posterior(x_r, x_t, bar_t, bar_s / bar_r)


def half_from_r_but_the_jump(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    a, k = bar_s / bar_r, bar_t / bar_s
    mean = k**0.5 * (1 - a) / (1 - bar_t) * x_t + a**0.5 * (1 - k) / (1 - bar_t) * x_r
    return mean, (1 - a) / (1 - bar_t) * (1 - k)


def other_half_from_r(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    b, k = bar_t / bar_r, bar_t / bar_s
    mean = k**0.5 * (1 - bar_s) / (1 - b) * x_t + bar_s**0.5 * (1 - k) / (1 - b) * x_r
    return mean, (1 - bar_s) / (1 - b) * (1 - k)


def root_from_the_image(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    a, b, k = bar_s / bar_r, bar_t / bar_r, bar_t / bar_s
    mean = k**0.5 * (1 - a) / (1 - b) * x_t + bar_s**0.5 * (1 - k) / (1 - b) * x_r
    return mean, (1 - a) / (1 - b) * (1 - k)


def with_the_whole_beta(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    return between(x_r, x_t, bar_r, bar_s, bar_t)[0], 1 - bar_t / bar_s


def weighing(of_now: float, of_early: float, numbers: tuple[float, ...]) -> tuple[float, float]:
    """The right variance, and a mean with these powers of what is kept in its weights. Right are 1/2 and 1/2."""
    x_r, x_t, bar_r, bar_s, bar_t = numbers
    a, b, k = bar_s / bar_r, bar_t / bar_r, bar_t / bar_s
    mean = k**of_now * (1 - a) / (1 - b) * x_t + a**of_early * (1 - k) / (1 - b) * x_r
    return mean, (1 - a) / (1 - b) * (1 - k)


def without_roots(*numbers: float) -> tuple[float, float]:
    return weighing(1, 1, numbers)


def without_the_first_root(*numbers: float) -> tuple[float, float]:
    return weighing(1, 1 / 2, numbers)


def without_the_second_root(*numbers: float) -> tuple[float, float]:
    return weighing(1 / 2, 1, numbers)


def exchanged(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    return between(x_t, x_r, bar_r, bar_s, bar_t)


def variance_first(*numbers: float) -> tuple[float, float]:
    return between(*numbers)[::-1]


def with_a_deviation(x_r: float, x_t: float, bar_r: float, bar_s: float, bar_t: float) -> tuple[float, float]:
    mean, variance = between(x_r, x_t, bar_r, bar_s, bar_t)
    return mean, variance**0.5
