"""What notebook 02 says of its toy in numbers, and what exercise 02.2 says to an early start."""

import numpy as np
import pytest
from sympy import log

from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.p02 import TwoChains, both_targets, divergence, log_ratios, one_path, spread
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.symbolic import T, q, x

toy = TwoChains(TWO_PEAKS, (1, 0.56, 0.2, 0.05, 0.01))


@pytest.mark.parametrize(
    ("k", "mean", "drawn", "averaged"),
    [(0, 0.468, 0.949, 0.949), (1, 0.188, 0.496, 0.169), (2, 0.047, 0.283, 0.026), (3, 0.010, 0.141, 0.003)],
)
def test_spread_of_the_terms(k, mean, drawn, averaged):
    assert spread(toy, k, 0.7) == pytest.approx((mean, drawn, averaged), abs=6e-4)


def test_drawn_spread_agrees_with_draws():
    paths = toy.paths(0.7, 100_000)
    averaged = np.interp(paths[2], toy.x, divergence(toy, 1, 0.7))
    assert (averaged.mean(), averaged.std()) == pytest.approx(
        (spread(toy, 1, 0.7)[0], spread(toy, 1, 0.7)[2]), abs=5e-3
    )
    assert (-toy.log_p_step(1, paths)).std() == pytest.approx(spread(toy, 0, 0.7)[1], abs=0.03)


def test_the_image_changes_the_target_by_a_number_that_no_network_changes():
    for t in (2, 3, 4):
        differences = [with_image - without for with_image, without in (both_targets(toy, t, s) for s in (0.0, 0.3))]
        assert differences[0] == pytest.approx(differences[1], abs=1e-6)
        assert both_targets(toy, t, 0.0)[1] < both_targets(toy, t, 0.3)[1]


@pytest.mark.parametrize("seed", range(3))
def test_few_paths_decide_the_likelihood_of_many_pixels(seed):
    ratios, log_p = log_ratios(toy, toy.paths(0.7, 100_000)), -0.63585
    share, off = one_path(ratios, 1, log_p, seed)
    assert share < 0.001
    assert abs(off) < 0.01
    share, off = one_path(ratios, 784, log_p, seed)
    assert share > 0.3
    assert off < -10


def test_an_early_start_is_told_so():
    reply = exercise("02.2").check(log(q(x[T], x[0])) - log(q(x[0], x[0])))
    assert not reply
    assert "t = 2" in reply.words
    assert "divergence" not in reply.words
    assert exercise("02.2").check(log(q(x[T], x[0])) - log(q(x[1], x[0])))
