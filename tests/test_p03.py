"""Notebook 03: means over a standard normal quantity, log ratios and divergences of bells."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sympy import latex, symbols

from mini_ddpm.course import p03
from mini_ddpm.course.p03 import E_z, z
from mini_ddpm.course.p04 import Bell
from mini_ddpm.symbolic import Derivation, Theory

A, B = Bell(0.3, 1.4), Bell(-0.5, 0.6)


def test_a_mean_is_over_a_standard_normal_quantity_and_written_without_it():
    c = symbols("c", real=True)
    assert [E_z(z**k).doit() for k in range(5)] == [1, 0, 1, 0, 3]
    assert latex(E_z(z**2)) == r"\mathbb{E}_z\left[z^{2}\right]"
    assert str(E_z(z**2)) == "E_z(z**2)"
    assert Derivation(Theory(), E_z((z + c) ** 2)).step(1 + c**2).lines[-1].mark == "proved"


def test_the_divergence_is_the_integral_of_its_definition():
    x = np.linspace(-12, 12, 24_001)
    ratio = p03.log_ratio(A, B, x)
    assert np.allclose(ratio[8000:16_000], np.log(A(x) / B(x))[8000:16_000])
    assert p03.gaussian_kl(A, B) == pytest.approx((A(x) * ratio).sum() * (x[1] - x[0]))
    assert p03.gaussian_kl(A, A) == 0


GRID = np.linspace(-3, 3, 50)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: p03.draw_evidence(A, B),
        lambda: p03.draw_integrand(A, B),
        p03.draw_terms,
        p03.draw_asymmetry,
        lambda: p03.draw_best(GRID, np.ones(50), A, B),
        lambda: p03.draw_melting(GRID, {0: np.ones(50), 9: np.ones(50)}, {0: 0.5, 9: 0.1}),
    ],
)
def test_every_picture_has_titles_labelled_axes_and_words(draw, monkeypatch):
    shown = []
    monkeypatch.setattr(p03, "show", lambda figure, alt: shown.append((figure, alt)))
    draw()
    [(figure, alt)] = shown
    assert all(axes.get_title() and axes.get_xlabel() for axes in figure.axes)
    assert alt.endswith(".")
    plt.close(figure)
