"""Notebook 15: its walks against the package's samplers, against densities, and against a player who errs."""

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from mini_ddpm import diffusion, sampling
from mini_ddpm.course import flows, p15_interval
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.exercises.n15 import PROGRAM
from mini_ddpm.course.p05 import floor
from mini_ddpm.course.toys import TWO_PEAKS, best_model
from mini_ddpm.files import shipped
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas

SHARES = torch.linspace(0.02, 0.98, 49, dtype=torch.float64).reshape(-1, 1, 1, 1)  # none at 0.35, between the peaks
ENDS = (8.0, -9.0)


def best_noise(u, r):
    bar = 1 / (1 + r**2)
    return (u - TWO_PEAKS.mean_x_0(bar.sqrt() * u, bar)) / r


def euler(noise, u, r, nearer):
    return u + (nearer - r) * noise(u, r)


# --- the walk -----------------------------------------------------------------------------------------------


def test_the_steps_of_edm_fall_from_80_to_0():
    ratios = flows.edm_ratios(18)
    assert len(ratios) == 19
    assert (ratios.diff() < 0).all()
    assert ratios[[0, -2, -1]].tolist() == pytest.approx([80, 0.002, 0])
    assert flows.chain(ratios).alpha_bar[[0, -1]].tolist() == pytest.approx([1, 1 / 6401])


@pytest.mark.parametrize("r", [0.0, 0.3, 5.0, 80.0])
def test_quantiles_and_shares_undo_each_other(r):
    assert torch.allclose(flows.share_below(flows.quantile(SHARES, r), r), SHARES, atol=1e-10)
    points = TWO_PEAKS.draw(100_000).x + r * torch.randn(100_000, 1, 1, 1)
    assert (points < flows.quantile(SHARES, r).flatten()[10]).double().mean().item() == pytest.approx(0.22, abs=0.01)


def test_a_walk_of_many_steps_ends_where_shares_say():
    u = flows.quantile(SHARES, 80.0)
    ratios = flows.edm_ratios(400)
    assert torch.allclose(flows.walk(flows.heun, best_noise, u, ratios), flows.exact_end(u, 80.0), atol=1e-3)
    doubting = flows.walk(flows.heun, lambda u, r: 0.97 * best_noise(u, r), u, ratios)
    assert not torch.allclose(doubting, flows.exact_end(u, 80.0), atol=1e-2)


@pytest.mark.parametrize(
    ("step", "order"), [(euler, 1), (flows.euler_for_x, 1), (flows.heun, 2)], ids=["DDIM", "Euler for x_t", "Heun"]
)
def test_the_order_of_each_step(step, order):
    u, steps = flows.quantile(SHARES, 80.0), torch.tensor([64, 128, 256])
    ends = [flows.walk(step, best_noise, u, flows.edm_ratios(int(n))) for n in steps]
    errors = torch.stack([(end - flows.exact_end(u, 80.0)).square().mean().sqrt() for end in ends])
    assert flows.slope(steps, errors) == pytest.approx(-order, abs=0.1)


def test_a_slope_is_that_of_the_last_points():
    calls = torch.tensor([4, 8, 16, 32, 64])
    assert flows.slope(calls, torch.tensor([100.0, 1 / 8, 1 / 16, 1 / 32, 1 / 64])) == pytest.approx(-1, abs=1e-6)


def test_ddim_is_euler_on_any_steps():
    ratios = torch.tensor([60.0, 7.0, 2.5, 0.4, 0.1, 0.0], dtype=torch.float64)
    process = diffusion.Diffusion(flows.chain(ratios), clip=None)
    x_T = torch.special.ndtri(SHARES)
    *_, last = sampling.sample(sampling.ddim_step, process, best_model(process, TWO_PEAKS), x_T)
    walked = flows.walk(euler, best_noise, x_T * (1 + ratios[0] ** 2).sqrt(), ratios)
    assert torch.allclose(last.x_t, walked, atol=1e-10)


# --- the bound ----------------------------------------------------------------------------------------------


def test_what_is_left_over_is_notebook_5s_floor_of_the_image():
    ratios = torch.tensor([0.05, 0.7, 3.0, 40.0], dtype=torch.float64)
    expected = [floor(bar)[1] for bar in 1 / (1 + ratios**2)]
    assert flows.left_over(ratios, at_once=3).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("betas", [linear_betas, cosine_betas])
def test_bounds_come_down_to_the_information_and_keep_their_ends(betas):
    table = NoiseSchedule.from_betas(betas(1000))
    curve = flows.between(table, 500, ENDS)
    assert (curve.diff() < 0).all()
    assert curve[[0, -1]].tolist() == pytest.approx(ENDS)
    limit = flows.information(ENDS[0]) - flows.information(ENDS[1])
    gaps = [flows.bound(flows.between(table, T, ENDS)) - limit for T in (1000, 2000, 4000)]
    assert 0 < gaps[2] < 0.2
    assert gaps[2] / gaps[1] == pytest.approx(0.5, abs=0.03)


def test_the_bound_is_that_of_the_packages_terms():
    """One step's KL, drawn: half the fall of SNR times the error of the image."""
    schedule = flows.chain(torch.tensor([1.5, 0.8, 0.3, 0.0], dtype=torch.float64))
    process = diffusion.Diffusion(schedule, variance=diffusion.fixed_small, clip=None)
    torch.manual_seed(0)
    x_0 = TWO_PEAKS.draw(200_000).x
    total = torch.zeros(())
    for t in (3, 2):
        x_t = diffusion.q_sample(x_0, torch.randn_like(x_0), schedule.at(t))
        guess = process.predict(best_model(process, TWO_PEAKS), x_t, torch.full((len(x_0),), t)).x_0
        means = [diffusion.q_posterior(one, x_t, schedule.at(t), schedule.at(t - 1))[0] for one in (x_0, guess)]
        variance = diffusion.posterior_variance(schedule.at(t), schedule.at(t - 1))
        total = total + (means[0] - means[1]).square().mean() / (2 * variance)
    expected = flows.bound(schedule.snr[1:].log())
    assert total.item() / math.log(2) == pytest.approx(expected, rel=0.02)


# --- exercises and stored numbers ---------------------------------------------------------------------------


def test_the_program_to_debug_has_the_variance_it_is_said_to_have():
    lines = [line[3:] for line in PROGRAM.splitlines()[1:-1]]

    def variance(program):
        def velocity(x_t, bar):
            x_0 = TWO_PEAKS.mean_x_0(x_t, bar)
            return diffusion.predict_v.target(x_0, (x_t - bar.sqrt() * x_0) / (1 - bar).sqrt(), bar)

        torch.manual_seed(0)
        names = {"torch": torch, "pairwise": pairwise, "n": 20_000, "velocity": velocity}
        exec("\n".join(program).replace("101)", "101).double()").replace("1, 1)", "1, 1).double()"), names)
        return names["z"].var().item()

    assert variance(lines) == pytest.approx(0.90, abs=0.02)
    place = exercise("15.5").answer - 1
    right = lines[place].replace("1 - now ", "(1 - now)**2 / (now**2 + (1 - now)**2) ")
    mended = [*lines[:place], right, *lines[place + 1 :]]
    assert variance(mended) == pytest.approx(1, abs=0.02)


def test_the_interval_of_guidance_is_measured_by_its_command(tmp_path):
    """Every part draws other digits than the label alone does, and than every other part."""
    script = Path(__file__).parent / "bench" / "interval.py"
    command = [sys.executable, script, "--n", "10", "--steps", "6", "--scales", "6", "--out", tmp_path / "rows.json"]
    subprocess.run([*command, "--seeds", "0"], cwd=tmp_path, check=True, capture_output=True)
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["rows"]
    parts = [row["part"] for row in rows]
    assert set(parts) == {"nowhere", *p15_interval.PARTS, *p15_interval.WINDOWS}
    assert len({row["fd_judge"] for row in rows}) == len(parts)


def test_the_stored_intervals_have_three_seeds_of_every_part_and_scale():
    rows = p15_interval.rows()
    assert {part for part, _ in rows} == {"real digits", "nowhere", *p15_interval.PARTS, *p15_interval.WINDOWS}
    assert all(table.shape == (8 if part == "real digits" else 3, 3) for (part, _), table in rows.items())
    means = {key: float(table[:, 0].mean()) for key, table in rows.items()}
    for part, scale in p15_interval.BEST.items():
        tried = {w: fd for (name, w), fd in means.items() if name == part}
        assert min(tried, key=tried.get) == scale
    stored = json.loads(shipped("bench/interval.json").read_text(encoding="utf-8"))
    assert (stored["n"], stored["steps"]) == (400, 10)


def test_as_few_passes_everywhere_are_behind_the_two_steps_with_every_seed():
    two = torch.cat([p15_interval.rows(name)["600 to 800", 3.0] for name in ("interval", "interval-fresh")])
    for scale in (1.25, 1.5):
        assert (p15_interval.rows("interval-6")["everywhere", scale][:, 0] > two[:, 0]).all()
    *_, best = p15_interval.places_table().rows
    assert min(best[1:]) == best[2] == "0.068, w = 3"
