"""Notebook 00: what its text and its exercises say, against other ways to compute it."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from mini_ddpm import runs
from mini_ddpm.course import p00, p04
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.data import load
from mini_ddpm.schedules import NoiseSchedule, linear_betas

BETAS = linear_betas(1000)
SCHEDULE = NoiseSchedule.from_betas(BETAS)


@pytest.fixture
def shown(monkeypatch):
    figures = []
    monkeypatch.setattr(p00, "show", lambda figure, alt: figures.append(figure))
    yield figures
    plt.close("all")


@pytest.mark.parametrize(("beta", "height"), [(0.9, 0.04), (0.1, 0.16), (0.001, 1.0)])
def test_a_short_step_back_is_a_bell_and_a_long_one_is_not(shown, beta, height):
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
    p00.draw_ways_back(places, data, {beta: density, 0.5: density}, -0.3)
    assert len(shown[0].axes) == 2


def test_a_late_step_of_002_is_a_bell_and_an_early_one_is_not(shown):
    places, ways = np.linspace(-5, 5, 10_001), {}
    for time, height in ((1, 0.68), (1000, 1.0)):
        before = TWO_PEAKS.density(torch.from_numpy(places)[:, None], float(SCHEDULE.alpha_bar[time - 1])).numpy()
        product = before * np.exp(-((-0.3 - 0.98**0.5 * places) ** 2) / 0.04)
        density = product / np.trapezoid(product, places)
        assert p00.depth(places, density) == pytest.approx(height, abs=0.005)
        inside = density[1:-1]
        tops = (inside > density[:-2]) & (inside > density[2:]) & (inside > 1e-3)
        assert int(tops.sum()) == (2 if time == 1 else 1)  # as its alt text says
        ways[str(time)] = before, density
    p00.draw_early_and_late(places, ways, -0.3)
    assert len({axes.get_xlim() + axes.get_ylim() for axes in shown[0].axes}) == 1  # on one scale
    assert shown[0].axes[0].get_ylim()[1] > max(density)


def test_what_is_left_on_the_way():
    assert exercise("00.1").answer == pytest.approx(float(SCHEDULE.alpha_bar[400]), abs=1e-4)
    assert float(SCHEDULE.alpha_bar[500]) == pytest.approx(0.28**2, abs=1e-3)
    assert float(SCHEDULE.alpha_bar[1000]) == pytest.approx(0.00004, abs=1e-6)


def test_an_account_with_a_root_too_many_ends_where_the_exercise_says():
    assert float((1 - BETAS).sqrt().prod()) == pytest.approx(0.006, abs=0.0005)


def test_most_is_lost_in_step_220(shown):
    lost = BETAS * SCHEDULE.alpha_bar[:-1]
    assert int(lost.argmax()) + 1 == 220
    p00.draw_losses(BETAS, SCHEDULE.alpha_bar[:-1], lost)
    assert [text.get_text() for text in shown[0].axes[-1].texts] == ["t = 220"]


def test_the_walk_begins_with_the_noise_that_its_first_step_started_from():
    """The first step draws no noise (DDIM): it points from the start to the guess, so that the start can be found."""
    network = runs.open_run("mnist", torch.device("cpu"))
    first, second, *_, last = p00.walk(network, torch.tensor([3, 7]), seed=1)
    assert (first.t, second.t, last.t) == (1000, 980, 0)
    begin, end = network.diffusion.schedule.at(1000), network.diffusion.schedule.at(980)
    noise = (second.x_t - end.sqrt() * first.guess) / (1 - end).sqrt()
    assert torch.allclose(begin.sqrt() * first.guess + (1 - begin).sqrt() * noise, first.x_t, atol=1e-4)
    assert torch.equal(last.guess, last.x_t)


def test_the_stored_walk_is_the_one_that_its_program_makes():
    """Its start, its last hundred steps, and a guess at every stop; the stops are kept in half precision."""
    network, stops = runs.open_run("mnist", torch.device("cpu")), p00.stored_walk()
    labels = torch.arange(10)
    assert tuple(stop.t for stop in stops) == p00.TIMES
    torch.manual_seed(0)
    assert torch.equal(stops[0].x_t, torch.randn(10, 1, 28, 28).half().float())
    for stop in stops[:-1]:
        fresh = next(p00.small_steps(network, labels, stop.x_t, stop.t))
        assert (fresh.t, torch.equal(fresh.x_t, stop.x_t)) == (stop.t, True)
        assert p00.apart(fresh.guess, stop.guess) < 1e-6
    *_, last = p00.small_steps(network, labels, stops[-2].x_t, stops[-2].t)
    assert last.t == 0
    assert p00.apart(last.x_t, stops[-1].x_t) < 1e-6


def test_small_steps_are_those_of_picture_1():
    """The right answer at every time, for data that are one image, leads there with the noise that it must have."""
    network = runs.open_run("mnist", torch.device("cpu"))
    image, asked = torch.full((20, 1, 28, 28), 0.3), []

    def knows(x_t, t, y):
        bar = network.diffusion.schedule.at(t)
        asked.append(float(bar[0]))
        return network.diffusion.parameterization.target(
            image, (x_t - bar.sqrt() * image) / (1 - bar).sqrt(), bar
        ).float()

    network = dataclasses.replace(network, model=knows)
    stops = {stop.t: stop.x_t for stop in p00.small_steps(network, None, torch.randn(20, 1, 28, 28), 1000)}
    for t in (100, 400):
        left = float(SCHEDULE.alpha_bar[t])
        assert float(stops[t].mean()) == pytest.approx(left**0.5 * 0.3, abs=0.03)
        assert float(stops[t].var()) == pytest.approx(1 - left, rel=0.05)
    assert torch.allclose(stops[0], image, atol=0.02)
    assert np.allclose(asked, SCHEDULE.alpha_bar[1:].flip(0), atol=2e-3)


def test_the_first_guess_is_nearly_the_average():
    stops, real = p00.stored_walk(), p00.averages(load("mnist-5k"))
    assert p00.apart(stops[0].guess, real) < 0.01 < 0.2 < p00.apart(stops[-1].x_t, real)


def test_walk_and_guess_stand_in_one_table(capsys):
    zero, one = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    p00.compare([p00.Stop(9, 2 * one, one), p00.Stop(0, zero, zero)])
    assert capsys.readouterr().out.splitlines()[2:] == ["   9  4.000  1.000", "   0  0.000  0.000"]


def test_rows_of_images_have_their_labels():
    figure = p00.rows([torch.zeros(3, 1, 28, 28)] * 2, ["a", "b"], "title")
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "b"]
    plt.close(figure)
