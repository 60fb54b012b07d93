"""What notebook 02 says of its toy in numbers, and what its exercises say to usual slips."""

import math
from contextlib import suppress

import numpy as np
import pytest
from sympy import Sum, log

from mini_ddpm.course.exercises import bound, exercise
from mini_ddpm.course.p02 import both_targets, gradients, log_ratios, one_path
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.course.two_chains import TwoChains
from mini_ddpm.symbolic import KL, E_q, T, Unchecked, WrongStep, p, q, t, x

toy = TwoChains(TWO_PEAKS, (1, 0.56, 0.2, 0.05, 0.01))


@pytest.mark.parametrize("seed", range(3))
def test_bringing_in_the_image_makes_gradients_scatter_less(seed):
    drawn, two, one = gradients(500, seed).std(axis=1)
    assert drawn > 1.3 * two
    assert 500 < (two / one) ** 2 < 650
    drawn, two, one = gradients(2, seed).std(axis=1)
    assert one == pytest.approx(two)  # x_{t-2} is the image there
    assert drawn > 1.2 * two


@pytest.mark.parametrize("t_", [20, 500])
def test_all_three_are_the_same_gradient_in_the_mean(t_):
    three = gradients(t_, seed=0)
    difference = three[:2] - three[2]
    assert np.all(np.abs(difference.mean(axis=1)) < 4 * difference.std(axis=1) / three.shape[1] ** 0.5)


def test_the_image_changes_the_target_by_a_number_that_no_network_changes():
    for k in (2, 3, 4):
        differences = [with_image - without for with_image, without in (both_targets(toy, k, s) for s in (0.0, 0.3))]
        assert differences[0] == pytest.approx(differences[1], abs=1e-6)
        assert both_targets(toy, k, 0.0)[1] < both_targets(toy, k, 0.3)[1]


@pytest.mark.parametrize("seed", range(3))
def test_few_paths_decide_the_likelihood_of_many_pixels(seed):
    ratios, log_p = log_ratios(toy, toy.paths(0.7, 100_000)), -0.63585
    share, off = one_path(ratios, 1, log_p, seed)
    assert share < 0.001
    assert abs(off) < 0.01
    share, off = one_path(ratios, 784, log_p, seed)
    assert share > 0.3
    assert off < -10


def test_the_divergence_of_the_paths_is_what_the_bound_loses():
    ratios = log_ratios(toy, toy.paths(0.7, 100_000))
    error = ratios.std() / len(ratios) ** 0.5
    assert toy.path_divergence(0.7) == pytest.approx(-0.63585 - ratios.mean(), abs=4 * error)


known, step, L_T = q(x[t - 1], x[t], x[0]), p(x[t - 1], x[t]), KL(q(x[T], x[0]), p(x[T]))
blind = q(x[t - 1], x[0])


@pytest.mark.parametrize("number", ["02.2", "02.3"])
def test_no_listed_mistake_is_true(number):
    one = exercise(number)
    for mistake, _ in one.mistakes:
        with suppress(WrongStep, Unchecked):  # no world has it
            assert one.theory.disagreement(one.question, mistake)


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("02.2", log(known) - log(blind), "E_q is forgotten"),
        ("02.2", E_q(log(blind)) - E_q(log(known)), "The sign"),
        ("02.3", L_T + Sum(E_q(log(known / step)), (t, 1, T)), bound.EARLY),
        ("02.3", E_q(L_T + Sum(KL(step, known), (t, 3, T))), bound.TURNED),
        ("02.3", L_T + E_q(Sum(KL(q(x[t - 1], x[t]), step), (t, 3, T))), bound.UNKNOWN),
    ],
)
def test_a_usual_slip_in_other_words_is_named_too(number, answer, words):
    reply = exercise(number).check(answer)
    assert not reply
    assert words in reply.words


def test_another_form_of_the_answer_is_right():
    assert exercise("02.2").check(E_q(KL(q(x[t], x[t - 1]), q(x[t], x[0]))))
    assert exercise("02.3").check(E_q(L_T + Sum(KL(known, step), (t, 3, T))))


def test_a_slip_is_named_even_if_large_numbers_overflow():
    def with_arrays(r):
        with np.errstate(all="ignore"):
            return np.mean(r), np.log(np.mean(np.exp(r)))

    def with_lists(r):
        return sum(r) / len(r), math.log(sum(math.exp(one) for one in r) / len(r))

    for swapped in (with_arrays, with_lists):
        assert "swapped" in exercise("02.4").check(swapped).words
