"""Notebook 00: what its text and its exercises say, against other ways to compute it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from mini_ddpm.course import p00, p04
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.schedules import NoiseSchedule, linear_betas

BETAS = linear_betas(1000)
SCHEDULE = NoiseSchedule.from_betas(BETAS)


@pytest.mark.parametrize(("beta", "height"), [(0.9, 0.04), (0.1, 0.16), (0.001, 1.0)])
def test_a_short_step_back_is_a_bell_and_a_long_one_is_not(beta, height):
    places = np.linspace(-3, 3, 3001)
    density = p04.without_image(np.array([-0.3]), 1 - beta, 1.0).density(places[None])[0]
    assert p00.depth(places, density) == pytest.approx(height, abs=0.005)
    data = TWO_PEAKS.density(torch.from_numpy(places)[:, None])
    by_bayes = data * torch.exp(-((-0.3 - (1 - beta) ** 0.5 * torch.from_numpy(places)) ** 2) / (2 * beta))
    assert np.allclose(by_bayes / torch.trapezoid(by_bayes, torch.from_numpy(places)), density, atol=1e-6)
    mean, deviation, bell = p00.gaussian_of(places, density)
    assert bell.sum() * 0.002 == pytest.approx(1, abs=5e-3)  # what is beyond the grid is missing
    if height == 1:
        assert np.allclose(bell, density, atol=0.02 * density.max())
        assert (mean, deviation**2) == pytest.approx((-0.3, beta), rel=0.2)
    figure = p00.ways_back(places, data, {beta: density, 0.5: density})
    assert len(figure.axes) == 2
    plt.close(figure)


def test_half_way_hardly_anything_is_left():
    assert exercise("00.1").answer == pytest.approx(float(SCHEDULE.alpha_bar[500]), abs=1e-4)


def test_noise_without_its_root_ends_where_the_exercise_says():
    variance = 1.0
    for beta in BETAS.tolist():
        variance = (1 - beta) * variance + beta**2
    assert variance == pytest.approx(0.02, abs=0.002)


def test_most_is_lost_in_step_220():
    lost = BETAS * SCHEDULE.alpha_bar[:-1]
    assert int(lost.argmax()) + 1 == 220
    figure = p00.losses(BETAS, SCHEDULE.alpha_bar[:-1], lost)
    assert [text.get_text() for text in figure.axes[0].texts] == ["t = 220"]
    plt.close(figure)


def test_rows_of_images_have_their_labels():
    figure = p00.rows([torch.zeros(3, 1, 28, 28)] * 2, ["a", "b"], "title")
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "b"]
    plt.close(figure)
