"""Notebook 04: the posterior of the two peaks against quadrature, and walks that arrive."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sympy import sqrt

from mini_ddpm.course import p04
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.symbolic.notation import alpha_bar, s, t, x

SCHEDULE = NoiseSchedule.from_betas(linear_betas(100))
BAR = SCHEDULE.alpha_bar.numpy()


@pytest.mark.parametrize(("t", "s"), [(100, 99), (60, 30), (50, 0), (1, 0)])
def test_the_step_back_without_the_image_is_bayes_rule_on_a_grid(t, s):
    x, x_t, kept = np.linspace(-8, 8, 8001), 0.4, BAR[t] / BAR[s]
    density = TWO_PEAKS.density(torch.from_numpy(x)[:, None], float(BAR[s])).numpy()
    density *= np.exp(-((x_t - np.sqrt(kept) * x) ** 2) / (2 * (1 - kept)))
    density /= density.sum() * (x[1] - x[0])
    average = p04.without_image(np.array([x_t]), BAR[t], BAR[s])
    assert np.allclose(average.density(x[None])[0], density, atol=1e-9)
    mean, variance = (moment.item() for moment in average.moments())
    assert mean == pytest.approx((x * density).sum() * (x[1] - x[0]))
    assert variance == pytest.approx(((x - mean) ** 2 * density).sum() * (x[1] - x[0]))


def test_a_gaussian_costs_nothing_and_two_peaks_do():
    one = p04.Average(np.array([[0.3, 0.7]]), np.array([[1.0, 1.0]]), 0.2)
    two = p04.Average(np.array([[0.3, 0.7]]), np.array([[-1.0, 1.0]]), 0.2)
    assert p04.not_gaussian(one)[0] == pytest.approx(0, abs=1e-12)
    assert p04.not_gaussian(two)[0] > 0.1
    assert p04.cost_of_steps(SCHEDULE, 4) < p04.cost_of_steps(SCHEDULE, 2)


def test_walks_back_arrive_and_go_through_the_clouds_of_the_walk_forward():
    noise = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    walks = p04.walk_back(SCHEDULE, noise, torch.full_like(noise, 0.7), 100, seed=1)
    assert torch.allclose(walks[0], torch.tensor(0.7, dtype=torch.float64))
    assert walks[50].mean().item() == pytest.approx(0.7 * BAR[50] ** 0.5, abs=0.02)
    assert walks[50].var().item() == pytest.approx(1 - BAR[50], abs=0.02)


def test_with_the_noise_of_the_whole_jump_the_walk_goes_18_times_too_far():  # exercise 04.5
    bar = NoiseSchedule.from_betas(linear_betas(1000)).alpha_bar.numpy()
    held, farthest = 0.0, 0.0
    for k in range(1000, 0, -1):
        held = np.sqrt(bar[k]) * (1 - bar[k - 1]) / (1 - bar[k]) * held + np.sqrt(bar[k - 1])
        farthest = max(farthest, held)
    assert held == 1
    assert 18 < farthest < 19


def test_what_a_gaussian_misses_is_the_third_derivative_and_half_the_step_loses_an_eighth():
    long = NoiseSchedule.from_betas(linear_betas(1000))
    bar_t, bar_s, x_t, h = float(long.alpha_bar[300]), float(long.alpha_bar[299]), 0.4, 0.02
    kept = bar_t / bar_s
    c, w = x_t / kept**0.5, (1 - kept) / kept
    around = torch.tensor([c - 2 * h, c - h, c + h, c + 2 * h], dtype=torch.float64)[:, None]
    f = TWO_PEAKS.density(around, bar_s).log()
    third = float(f[3] - 2 * f[2] + 2 * f[1] - f[0]) / (2 * h**3)
    missed = p04.not_gaussian(p04.without_image(np.array([x_t]), bar_t, bar_s))[0]
    assert missed == pytest.approx(third**2 * w**3 / 12, rel=0.05)
    assert p04.cost_of_step(long, 200, 190) / p04.cost_of_step(long, 200, 195) == pytest.approx(8, abs=0.1)


def test_a_chain_costs_what_its_steps_cost():
    steps = p04.cost_of_step(SCHEDULE, 100, 50) + p04.cost_of_step(SCHEDULE, 50, 0)
    assert p04.cost_of_steps(SCHEDULE, 2) == pytest.approx(steps)


def test_the_package_is_compared_with_the_derived_lines():
    kept = alpha_bar[t] / alpha_bar[s]
    variance = (1 - alpha_bar[s]) / (1 - alpha_bar[t]) * (1 - kept)
    mean = sqrt(kept) * (1 - alpha_bar[s]) / (1 - alpha_bar[t]) * x[t]
    mean += sqrt(alpha_bar[s]) * (1 - kept) / (1 - alpha_bar[t]) * x[0]
    assert p04.largest_difference(SCHEDULE, mean, variance) < 1e-12
    assert p04.largest_difference(SCHEDULE, mean, 1 - kept) > 0.01
    assert p04.largest_difference(SCHEDULE, mean - x[0] / 100, variance) > 0.001


@pytest.mark.parametrize(
    "draw",
    [
        lambda: p04.draw_clues(p04.clues(SCHEDULE, 10, 0.7, -0.2), "title"),
        lambda: p04.draw_bridge(SCHEDULE, 0.7, -1.0, 50),
        lambda: p04.draw_share(SCHEDULE, np.full(100, 0.1), np.sqrt(BAR)),
        lambda: p04.draw_average(SCHEDULE, 50, 0.0, (49, 0)),
        lambda: p04.draw_cost([1, 2, 4, 8, 16], [0.5, 0.4, 0.2, 0.1, 0.03]),
    ],
)
def test_every_picture_has_titles_and_labelled_axes(draw, monkeypatch):
    shown = []
    monkeypatch.setattr(p04, "show", lambda figure, alt: shown.append(figure))
    draw()
    assert all(axes.get_title() and axes.get_xlabel() for axes in shown[0].axes)
    plt.close(shown[0])
