"""Notebook 01: the densities of the two peaks, and walks that agree with the jump."""

import numpy as np
import pytest
import torch

from mini_ddpm.course import p01
from mini_ddpm.schedules import NoiseSchedule, linear_betas

BETAS = linear_betas(1000)
SCHEDULE = NoiseSchedule.from_betas(BETAS)
X = np.linspace(-8, 8, 8001)


@pytest.mark.parametrize("t", [0, 1, 198, 1000])
def test_the_density_has_area_1_mean_0_and_variance_1(t):
    density = p01.density(SCHEDULE, t, X) * (X[1] - X[0])
    assert density.sum() == pytest.approx(1)
    assert (X * density).sum() == pytest.approx(0, abs=1e-9)
    assert (X**2 * density).sum() == pytest.approx(1)


@pytest.mark.parametrize(("t", "tops"), [(0, 2), (198, 2), (199, 1), (1000, 1)])
def test_two_peaks_become_one(t, tops):
    assert p01.peaks(SCHEDULE, t) == tops


@pytest.mark.parametrize(("t", "wrong"), [(0, 0.0003), (199, 0.09), (500, 0.33), (1000, 0.35)])
def test_the_best_guess_of_a_kind_errs(t, wrong):
    """At the end it can but say the likelier one, and is wrong for the share 0.35."""
    assert p01.wrong_kind(SCHEDULE, t) == pytest.approx(wrong, abs=0.01)


def test_a_walk_has_the_mean_and_variance_of_the_jump():
    walks = p01.walk(BETAS[:300], torch.full((20_000,), 0.7), seed=0)
    bar = float(SCHEDULE.alpha_bar[300])
    assert walks.shape == (301, 20_000)
    assert float(walks[-1].mean()) == pytest.approx(0.7 * bar**0.5, abs=0.02)
    assert float(walks[-1].var()) == pytest.approx(1 - bar, abs=0.02)
