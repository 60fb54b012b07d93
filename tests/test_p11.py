"""Notebook 11: what a chain loses, by integrals and by draws; codes with known prices; the stored last step."""

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal

from mini_ddpm.course import codes, p11
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.exercises.n11 import PROGRAM
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.files import read_tensors, shipped
from mini_ddpm.schedules import NoiseSchedule, cosine_betas

BITS = 1 / math.log(2)
DONE = {"as shipped", "one width", "two widths", "t = 1 alone", "every doubling alike", "all times alike"}
DONE |= {"every doubling alike, weighted", "all times alike, weighted"}


def chain(length):
    return NoiseSchedule.from_betas(cosine_betas(length))


# --- what a step loses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 7])
def test_one_bell_loses_nothing_in_any_step(length):
    assert codes.lost(codes.ONE_BELL, chain(length)).abs().max() < 1e-9


@pytest.mark.parametrize("data", [codes.TWO_CLUSTERS, TWO_PEAKS], ids=["two clusters", "two peaks"])
@pytest.mark.parametrize("t", [1, 2, 3])
def test_a_step_loses_the_mean_divergence_from_the_best_gaussian(data, t):
    """The divergence at each x_t, added up, is what the entropies say."""
    bars = chain(3).alpha_bar
    places, total = torch.linspace(-6, 6, 241, dtype=torch.float64), []
    for place in places:
        true, bell = codes.step_back(data, float(place), bars[t], bars[t - 1])
        seen = true > 1e-200
        ratio = torch.where(seen, true * (true.clamp(min=1e-200) / bell.clamp(min=1e-250)).log(), 0.0)
        total.append(torch.trapezoid(ratio, codes.GRID) * BITS)
    density = data.density(places[:, None], float(bars[t]))
    expected = torch.trapezoid(density * torch.stack(total), places)
    assert codes.lost(data, chain(3))[t - 1].item() == pytest.approx(expected.item(), abs=2e-3)


def test_the_variance_of_a_step_is_that_of_the_true_step_back():
    bars, places = chain(5).alpha_bar, torch.tensor([-1.0, 0.1, 0.6], dtype=torch.float64)
    found = codes.step_variance(codes.TWO_CLUSTERS, places, bars[2], bars[1])
    for place, variance in zip(places, found, strict=True):
        true, bell = codes.step_back(codes.TWO_CLUSTERS, float(place), bars[2], bars[1])
        for density in (true, bell):
            mean = torch.trapezoid(density * codes.GRID, codes.GRID)
            square = torch.trapezoid(density * (codes.GRID - mean) ** 2, codes.GRID)
            assert square.item() == pytest.approx(variance.item(), rel=1e-6)


def test_the_bound_of_whole_walks_is_the_true_cost_and_what_the_steps_lose():
    """By draws: the log ratio of forward and reverse walks, with the exact mean and variance at every x_t."""
    torch.manual_seed(0)
    data, bars = codes.TWO_CLUSTERS, chain(3).alpha_bar
    x, bits = data.draw(200_000).x.flatten(), -codes.entropy(data, bars[0])
    for t in (1, 2, 3):
        step = 1 - bars[t] / bars[t - 1]
        forward = Normal((1 - step).sqrt() * x, step.sqrt())
        x_t = forward.sample()
        guess = data.mean_x_0(x_t.reshape(-1, 1, 1, 1), bars[t]).flatten()
        mean = bars[t - 1].sqrt() * step / (1 - bars[t]) * guess
        mean = mean + (1 - step).sqrt() * (1 - bars[t - 1]) / (1 - bars[t]) * x_t
        back = Normal(mean, codes.step_variance(data, x_t, bars[t], bars[t - 1]).sqrt())
        bits = bits + ((forward.log_prob(x_t) - back.log_prob(x)) * BITS).mean()
        x = x_t
    bits = bits - (Normal(0, 1).log_prob(x) * BITS).mean()
    assert bits.item() == pytest.approx(codes.lost(data, chain(3)).sum().item(), abs=0.02)


# --- codes --------------------------------------------------------------------------------------------------


def test_water_is_filled_in():
    variances = torch.tensor([4.0, 1.0, 0.1, 0.0], dtype=torch.float64)
    rate, error = codes.water_filling(variances, torch.tensor([10.0, 1.0, 0.25], dtype=torch.float64))
    assert rate.tolist() == pytest.approx([0, 1 / 4, (2 + 1) / 4])  # half a bit for each factor of two
    assert error.tolist() == pytest.approx([5.1 / 4, 2.1 / 4, 0.6 / 4])


@pytest.mark.parametrize("each", [False, True])
def test_a_gaussian_code_has_one_covariance_or_one_for_each_label(each):
    """Two labels that vary along different axes: pooled, each seems to vary along both."""
    steps = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    flat, upright = torch.stack([3 * steps, 0 * steps], 1), torch.stack([0 * steps, steps], 1)
    images, labels = torch.cat([flat + 5, upright - 5]), torch.tensor([0, 0, 1, 1])
    levels = torch.tensor([100.0, 0.25], dtype=torch.float64)
    rate, error = codes.gaussian_code((images, labels), (images, labels), levels, each)
    variances = [[9.0, 0.0], [0.0, 1.0]] if each else [[4.5, 0.5]]
    expected = [codes.water_filling(torch.tensor(of, dtype=torch.float64), levels) for of in variances]
    bits, squares = (sum(of[k] for of in expected) / len(expected) for k in (0, 1))
    torch.testing.assert_close(rate, bits)
    torch.testing.assert_close(error, 127.5 * squares.sqrt())


def test_a_gaussian_code_is_tried_on_other_digits():
    images, labels = torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.zeros(2, dtype=torch.int64)
    _, error = codes.gaussian_code((images, labels), (3 * images, labels), torch.tensor([100.0]).double())
    assert error.tolist() == pytest.approx([127.5 * 3])


def test_the_stored_curve_begins_with_the_prior_and_leaves_out_the_last_term():
    stored, _ = read_tensors(shipped("bench/bound.safetensors"))
    rate, distortion = p11.progressive(stored)
    assert rate.shape == distortion.shape == (4000,)
    assert rate[0].item() == pytest.approx(stored["prior"].double().mean().item())
    assert rate[-1].item() == pytest.approx(stored["bits_per_dim"].mean().item() - stored["terms"][-1].item(), abs=1e-3)


def test_the_program_to_debug_finds_the_bits_it_is_said_to_find():
    lines = [line[3:] for line in PROGRAM.splitlines()[1:-1]]
    bars = chain(20).alpha_bar

    def step(t):
        beta, spread = 1 - bars[t] / bars[t - 1], 0.04 * bars + 1 - bars
        return beta, spread[t - 1] / spread[t]

    def posterior(x_0, x_t, t):
        beta, _ = step(t)
        mean = bars[t - 1].sqrt() * beta / (1 - bars[t]) * x_0
        mean = mean + (1 - beta).sqrt() * (1 - bars[t - 1]) / (1 - bars[t]) * x_t
        return mean, ((1 - bars[t - 1]) / (1 - bars[t]) * beta).sqrt()

    def best_step(x_t, t):
        beta, ratio = step(t)
        return (1 - beta).sqrt() * ratio * x_t, (beta * ratio).sqrt()

    def noised(x_0, t):
        return bars[t].sqrt() * x_0 + (1 - bars[t]).sqrt() * torch.randn_like(x_0)

    def kl(m_1, s_1, m_2, s_2):
        return torch.distributions.kl_divergence(Normal(m_1, s_1), Normal(m_2, s_2))

    def found(program):
        torch.manual_seed(0)
        shares = (torch.arange(50_000, dtype=torch.float64) + 0.5) / 50_000  # equally likely pixels
        grey = ((0.2 * torch.special.ndtri(shares) + 1) * 127.5).round().clamp(0, 255)
        names = {"torch": torch, "math": math, "Normal": Normal, "T": 20, "grey": grey, "noised": noised}
        exec("\n".join(program), names | {"posterior": posterior, "best_step": best_step, "kl": kl}, kept := {})
        return kept["bits"].item()

    assert found(lines) == pytest.approx(5.72, abs=0.02)
    place = exercise("11.4").answer - 1
    mended = [*lines[:place], lines[place].replace("127.5", "255"), *lines[place + 1 :]]
    assert found(mended) == pytest.approx(6.72, abs=0.02)


# --- stored numbers -----------------------------------------------------------------------------------------


def test_the_last_step_is_measured_by_its_command(tmp_path):
    """Every way of mending has a row, and what is trained changes."""
    script, out = Path(__file__).parent / "bench" / "last_step.py", tmp_path / "rows.json"
    smallest = ["--judge", "mnist-5k", "--n", "4", "--alone", "1", "--steps", "1", "--seeds", "0", "--out"]
    for _ in range(2):
        done = subprocess.run([sys.executable, script, *smallest, out], cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout == b""  # a call that is repeated has nothing left to do
    rows = {row["what"]: row for row in json.loads(out.read_text(encoding="utf-8"))["rows"]}
    assert rows.keys() == DONE
    assert len({row["L_0"] for row in rows.values()}) == len(DONE)
    assert rows["two widths"]["L_0"] < rows["one width"]["L_0"] < rows["as shipped"]["L_0"]


@pytest.mark.parametrize("name", ["alike_weighted", "doublings_weighted"])
def test_weights_pay_each_time_what_the_other_way_of_drawing_would(name, monkeypatch):
    """Visits times weight, over all times: as one of T, or as one of the doublings."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "bench"))
    draw = getattr(importlib.import_module("last_step"), name)
    torch.manual_seed(0)
    t, weight = (torch.cat(parts) for parts in zip(*(draw(4) for _ in range(3000)), strict=True))
    paid = torch.bincount(t, weights=weight.double(), minlength=5)[1:] / len(t)
    doublings = [math.log1p(1 / time) / math.log(5) for time in range(1, 5)]
    assert paid.tolist() == pytest.approx(doublings if name == "alike_weighted" else [1 / 4] * 4, rel=0.03)


def test_the_stored_last_steps_have_three_seeds_of_every_way():
    rows, made = p11.last_step_rows()
    assert rows.keys() == DONE
    assert all([row["seed"] for row in each] == [0, 1, 2] for each in rows.values())
    assert made["times"][:3] == [1, 2, 3]
    assert all(len(row["terms"]) == len(made["times"]) for row in rows["every doubling alike"])
    stored, _ = read_tensors(shipped("bench/bound.safetensors"))
    expected = [stored["terms"][4000 - time].item() for time in made["times"]]
    assert rows["as shipped"][0]["terms"] == pytest.approx(expected, rel=0.15)
