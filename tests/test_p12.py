"""Notebook 12: the pushes of guidance against the package's steps, the program to debug, and the stored numbers."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from mini_ddpm.course import p12, p12_tables, places
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.exercises.n12 import PROGRAM
from mini_ddpm.course.toys import TWO_PEAKS, Mixture, best_model
from mini_ddpm.diffusion import Diffusion, fixed_small, posterior_variance, predict_v, q_posterior, q_sample
from mini_ddpm.files import shipped
from mini_ddpm.guidance import classifier_guided, classifier_step
from mini_ddpm.sampling import ancestral_step, ddim_step
from mini_ddpm.schedules import NoiseSchedule, cosine_betas

PROCESS = Diffusion(NoiseSchedule.from_betas(cosine_betas(1000)), predict_v, fixed_small, clip=None, steps=10)
LABELS = torch.zeros(5, dtype=torch.long)


def reader(x, t):
    """Two labels; the slope of log p(y = 0 | x) is nearly 1 everywhere."""
    log_p = x.flatten(1) - 50
    return torch.cat([log_p, torch.log1p(-log_p.exp())], dim=1)


@pytest.mark.parametrize("name", ["slope on the mean", "on the noise, ancestral", "on the noise, DDIM"])
def test_a_push_is_by_how_much_a_step_of_the_package_goes_further(name):
    model = best_model(PROCESS, TWO_PEAKS)
    guided = classifier_guided(PROCESS, model, reader, LABELS, 1.0)
    steps = {
        "slope on the mean": (ancestral_step, classifier_step(reader, LABELS, 1.0), model),
        "on the noise, ancestral": (ancestral_step, ancestral_step, guided),
        "on the noise, DDIM": (ddim_step, ddim_step, guided),
    }
    chain = PROCESS.timesteps
    expected, found = p12.pushes(PROCESS.schedule, chain)[name], []
    plain, pushed, network = steps[name]
    x_t = torch.linspace(-1, 1, 5, dtype=torch.float64).reshape(5, 1, 1, 1)
    for t, s in pairwise(chain[:-1]):
        torch.manual_seed(0)
        before = plain(PROCESS, model, x_t, t, s).x_t
        torch.manual_seed(0)
        found.append((pushed(PROCESS, network, x_t, t, s).x_t - before).mean())
    torch.testing.assert_close(torch.stack(found), expected, rtol=1e-6, atol=1e-9)


def test_in_short_steps_ddim_pushes_half_as_hard():
    push = p12.pushes(PROCESS.schedule, replace(PROCESS, steps=1000).timesteps)
    ratio = push["on the noise, DDIM"] / push["slope on the mean"]
    assert ratio[400:600].tolist() == pytest.approx([0.5] * 200, abs=0.01)


@pytest.mark.parametrize("fresh", [True, False])
def test_the_slope_at_a_draw_is_taken_at_the_mean_plus_noise_that_is_no_part_of_the_walk(fresh):
    seen, model = [], best_model(PROCESS, TWO_PEAKS)
    x_t = torch.linspace(-1, 1, 5, dtype=torch.float64).reshape(5, 1, 1, 1)

    def watched(x, t):
        seen.append((x.detach(), t))
        return reader(x, t)

    step = places.step_at_a_draw(watched, LABELS, 1.0, torch.Generator().manual_seed(1), fresh)
    drawn = []
    for t, s in ((500, 400), (400, 300), (100, 0)):
        torch.manual_seed(0)
        found = step(PROCESS, model, x_t, t, s).x_t
        torch.manual_seed(0)
        mean_alone = classifier_step(reader, LABELS, 1.0)(PROCESS, model, x_t, t, s).x_t
        torch.testing.assert_close(found, mean_alone)  # the slope is nearly 1 wherever it is taken
        bars = PROCESS.schedule.at(t), PROCESS.schedule.at(s)
        mean, _ = q_posterior(PROCESS.predict(model, x_t, torch.full((5,), t)).x_0, x_t, *bars)
        where, when = seen.pop()
        assert when.tolist() == [s] * 5
        drawn.append((where - mean) / posterior_variance(*bars).sqrt() if s else where - mean)
    first = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(drawn[0], first, rtol=1e-4, atol=1e-4)
    assert torch.allclose(drawn[1], first, atol=1e-3) is not fresh
    torch.testing.assert_close(drawn[2], torch.zeros_like(first), rtol=0, atol=1e-5)  # the last step draws nothing


def test_the_mean_of_a_step_has_the_noise_of_x_t_in_it_and_no_other():
    for t, s in pairwise(PROCESS.timesteps[:-1]):
        now, before = PROCESS.schedule.at(t), PROCESS.schedule.at(s)
        share_of_x_t, _ = q_posterior(torch.zeros(1), torch.ones(1), now, before)
        expected = share_of_x_t**2 * (1 - now) / (1 - before)
        assert places.noise_in_the_mean(PROCESS, t, s) == pytest.approx(float(expected), abs=1e-6)


def test_at_matching_time_a_right_guess_is_asked_at_the_signal_and_noise_of_the_time_that_is_told():
    seen, point = [], Mixture(torch.ones(1), torch.full((1, 1), 0.7), 0.0)  # every guess is right
    model, x_0 = best_model(PROCESS, point), torch.full((5, 1, 1, 1), 0.7)

    def watched(x, t):
        seen.append((x.detach(), int(t[0])))
        return reader(x, t)

    step, noise = places.step_at_matching_time(watched, LABELS, 1.0), torch.linspace(-1, 1, 5).reshape(5, 1, 1, 1)
    for t, s in pairwise(PROCESS.timesteps):
        x_t = q_sample(x_0, noise, PROCESS.schedule.at(t))
        torch.manual_seed(0)
        found = step(PROCESS, model, x_t, t, s).x_t
        torch.manual_seed(0)
        at_the_mean = classifier_step(reader, LABELS, 1.0)(PROCESS, model, x_t, t, s).x_t
        where, told = seen.pop()
        bar = PROCESS.schedule.at(told)
        if t == PROCESS.schedule.T or s == 0:
            assert told == s
            torch.testing.assert_close(found, at_the_mean)
        else:
            assert 0 < told < s
            scaled = float((bar / PROCESS.schedule.at(s)).sqrt())  # and so is the slope
            variance = float(PROCESS.p_log_variance(t, s).exp())
            torch.testing.assert_close(
                found - at_the_mean, torch.full_like(x_0, (scaled - 1) * variance), atol=1e-5, rtol=1e-3
            )
            torch.testing.assert_close(where, q_sample(x_0, noise, bar), rtol=0.02, atol=0.01)


def test_the_program_to_debug_pushes_less_in_a_batch_and_mended_does_not():
    lines = [line[3:] for line in PROGRAM.splitlines()[1:-1]]
    place = exercise("12.6").answer - 1
    mended = [*lines[:place], lines[place].replace(".mean()", ".sum()"), *lines[place + 1 :]]

    for program, shares in ((lines, (1.0, 0.01)), (mended, (1.0, 1.0))):
        for n, share in zip((1, 100), shares, strict=True):
            names = {"torch": torch, "classifier": reader, "n": n, "s": 10, "y": torch.zeros(n, dtype=torch.long)}
            names |= {"mean": torch.full((n, 1, 1, 1), 0.3), "sigma": 1.0, "w": 1.0}
            exec("\n".join(program), names)
            assert names["g"].mean().item() == pytest.approx(share, rel=1e-3)


def test_the_scales_are_measured_by_their_command(tmp_path):
    """Every way draws other digits; and a call that is repeated has nothing left to do."""
    script = Path(__file__).parent / "bench" / "guidance.py"
    command = [sys.executable, script, "--n", "6", "--steps", "3", "--pupil-steps", "2", "--seeds", "0"]
    for _ in range(2):
        done = subprocess.run([*command, "--out", "rows.json"], cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout == b""
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["rows"]
    assert len({(row["way"], row["scale"]) for row in rows}) == len(rows)
    guided = [row["fd_judge"] for row in rows if "fd_judge" in row]
    assert len(set(guided)) == len(guided)


def test_the_stored_numbers_have_three_seeds_of_every_way_and_scale():
    table, accuracy = p12.stored("fd_judge", "accuracy", "precision", "recall"), p12.stored("accuracy")
    assert table.pop(("real digits", 0.0)).shape == (1, 4)
    assert all(values.shape == (3, 4) for values in table.values())
    for kind in p12.PUPILS:
        assert p12.stored("reads")[kind, 0.0].shape == (3, 11)
        assert p12.stored("coarse")[kind, 0.0].shape == (3, 5)
        places = (("at the mean", 3.0), ("at the mean", 9.0), ("at x_t", 3.0), ("at x_t", 9.0), ("at x_t", 30.0))
        assert all(accuracy[f"{kind}, {place}", scale].shape == (3, 1) for place, scale in places)
    stored = json.loads(shipped("bench/guidance.json").read_text(encoding="utf-8"))
    assert (stored["n"], stored["steps"]) == (300, 10)


def test_ways_are_shown_by_their_scales_and_the_length_of_their_chain():
    rows = p12_tables.places_table("at a draw", "at the mean" + p12_tables.LONG).rows
    found = [row[:3] for row in rows]
    assert found[:4] == [("10 steps", "at a draw", scale) for scale in ("3", "5", "9", "15")]
    assert found[4:] == [("50 steps", "at the mean", scale) for scale in ("3", "9")]


def test_a_spread_has_the_mean_and_both_ends():
    assert p12.spread(torch.tensor([0.2, 0.3, 0.7])) == "0.40 (0.20 to 0.70)"
