"""Notebook 10: its shares against draws and densities, its measurements against known cases, its stored numbers."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from mini_ddpm import diffusion, files, losses, runs
from mini_ddpm.course import p10, p10_short, shares
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.stored import stored
from mini_ddpm.course.toys import TWO_PEAKS, Mixture
from mini_ddpm.files import shipped
from mini_ddpm.schedules import NoiseSchedule, cosine_betas
from mini_ddpm.unet import UNet

SCHEDULE = NoiseSchedule.from_betas(cosine_betas(1000))
BENCH = Path(__file__).parent / "bench"


@pytest.fixture(scope="module")
def small():
    """A run with a tiny network of learned variances, as it is before training but for its last layer."""
    tiny = runs.preset("tiny")
    config = replace(tiny, unet=replace(tiny.unet, learned_variance=True), variance="learned-range", loss="hybrid")
    torch.manual_seed(0)
    network = UNet(config.unet)
    torch.nn.init.normal_(network.conv_out.weight, std=0.1)
    return runs.Trained(config, config.diffusion, network.eval())


# --- the share ----------------------------------------------------------------------------------------------


def test_a_constant_share_of_0_and_1_is_each_of_the_bounds():
    rho, floor = torch.randn(2, 1, 3, 3), torch.tensor(1e-3, dtype=torch.float64)
    bars = SCHEDULE.at(torch.tensor([40, 500])), SCHEDULE.at(torch.tensor([39, 300]))
    for f, fixed in ((0.0, diffusion.fixed_small), (1.0, diffusion.fixed_large)):
        expected = fixed(*bars, floor).float().expand_as(rho)
        assert torch.allclose(shares.constant(f)(*bars, floor, rho), expected, atol=1e-5)
    assert torch.allclose(shares.read_as(lambda f: f)(*bars, floor, rho), diffusion.learned_range(*bars, floor, rho))
    with pytest.raises(ValueError, match="variance channels"):
        shares.constant(0.5)(*bars, floor, None)


@pytest.mark.parametrize("time", [100, 300, 600])
def test_the_best_share_on_two_peaks_is_that_of_drawn_steps(time):
    """Near one x_t: the variance of x_{t-1} over many walks, as a share between the bounds."""
    grid = torch.linspace(-2.5, 2.5, 1001, dtype=torch.float64)
    best = shares.best_share(TWO_PEAKS, grid, SCHEDULE, time)
    now, before = SCHEDULE.at(time), SCHEDULE.at(time - 1)
    place = int(best.argmax())
    torch.manual_seed(0)
    x_0 = TWO_PEAKS.draw(200_000).x
    log_density = -((grid[place] - now.sqrt() * x_0) ** 2) / (2 * (1 - now))
    chance = log_density.flatten().softmax(dim=0)  # of each x_0, given this x_t
    means, variance = diffusion.q_posterior(x_0, grid[place].expand_as(x_0), now, before)
    mean = (chance * means.flatten()).sum()
    drawn = variance + (chance * (means.flatten() - mean) ** 2).sum()
    bounds = diffusion.posterior_variance(now, before), diffusion.step_beta(now, before)
    share = (drawn / bounds[0]).log() / (bounds[1] / bounds[0]).log()
    assert share.item() == pytest.approx(best[place].item(), rel=0.03)
    assert best[place] > 1


def test_the_best_share_is_1_for_data_like_the_noise_and_0_for_a_point():
    grid = torch.linspace(-2, 2, 401, dtype=torch.float64)
    for variance, f in ((1.0, 1.0), (0.0, 0.0)):
        one = Mixture(torch.ones(1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64), variance)
        assert torch.allclose(shares.best_share(one, grid, SCHEDULE, 200), torch.full_like(grid, f), atol=1e-6)


def test_shares_of_a_network_are_read_at_its_own_time(small):
    x_0, labels = torch.rand(2, 1, 28, 28), torch.tensor([1, 2])
    torch.manual_seed(3)
    found = shares.shares_at(small, x_0, labels, 5)
    torch.manual_seed(3)
    x_t = diffusion.q_sample(x_0, torch.randn_like(x_0), small.diffusion.schedule.at(5))
    assert torch.allclose(found, (small.model(x_t, torch.tensor([5, 5]), y=labels)[:, 1:] + 1) / 2)


# --- terms, sums, gradients ---------------------------------------------------------------------------------


def test_terms_of_the_bound_and_the_best_of_single_numbers(small):
    x_0, labels = torch.rand(4, 1, 28, 28) * 2 - 1, torch.arange(4)
    with torch.no_grad():
        pair = shares.ByGuess([0.0, 1.0], torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        found = shares.compared_terms(small, x_0, labels, [2, 300], seeds=range(2), by_guess=pair)
    assert {"f = 0", "f = 1", "one number", "learned", "cut below 0", "cut above 1"} <= set(found)
    assert torch.allclose(found["two for each t"][0], found["f = 0"][0])
    assert torch.allclose(found["two for each t"][1], found["f = 1"][1])
    for ends in (found["f = 0"], found["f = 1"]):  # half of the pixels have the one, half the other
        assert not torch.allclose(found["two constants"], ends)
    assert all(term.shape == (2, 2) for term in found.values())
    for f in shares.CONSTANTS:
        assert (found["one number"] <= found[f"f = {f:g}"] * (1 + 1e-5)).all()
    assert (found["one for a digit"] < found["one number"]).all()
    torch.manual_seed(1)
    whole, t = replace(small.diffusion, steps=None), torch.full((4,), 300)
    model = partial(small.model, y=labels)
    noise = torch.randn_like(x_0)
    x_t = diffusion.q_sample(x_0, noise, whole.schedule.at(t))
    with torch.no_grad():
        guess = whole.predict(model, x_t, t)
        expected = losses.bound_term(whole, guess, x_0, x_t, t, t - 1).mean()
        f = torch.where(guess.x_0 < shares.BLACK, 0.0, 1.0)
        two = losses.bound_term(whole, guess._replace(rho=2 * f - 1), x_0, x_t, t, t - 1).mean()
    assert found["learned"][1, 1].item() == pytest.approx(expected.item(), rel=1e-5)
    assert found["two constants"][1, 1].item() == pytest.approx(two.item(), rel=1e-5)


def test_the_best_two_shares_are_those_with_the_least_bound(small):
    """Errors are measured on one draw, and its term is least at the f that they give, in each part."""
    x_0, labels = torch.rand(4, 1, 28, 28) * 2 - 1, torch.arange(4)
    whole, t, s = replace(small.diffusion, steps=None, variance=diffusion.learned_range), 300, 200
    model = partial(small.model, y=labels)
    with torch.no_grad():
        torch.manual_seed(1)
        measured = shares.errors(whole, model, x_0, t, s)
        torch.manual_seed(1)
        x_t = diffusion.q_sample(x_0, torch.randn_like(x_0), whole.schedule.at(t))

    def term(black, other):
        model_told = shares.told(whole, model, lambda guess, _: torch.where(guess < shares.BLACK, black, other))
        times = torch.full((4,), t), torch.full((4,), s)
        with torch.no_grad():
            guess = whole.predict(model_told, x_t, times[0])
            assert torch.equal(guess.x_0, whole.predict(model, x_t, times[0]).x_0)  # the mean stays
            return losses.bound_term(whole, guess, x_0, x_t, *times).mean().item()

    black, other = measured.best().tolist()
    assert 0.02 < measured.part[0] < 0.9
    assert measured.part.sum() == pytest.approx(1)
    least, near = term(black, other), 0.02
    for beside in ((black + near, other), (black - near, other), (black, other + near), (black, other - near)):
        assert least < term(*beside)
    one = measured.best_for_all().item()
    assert least < term(one, one) < min(term(one + near, one + near), term(one - near, one - near))


def test_constants_by_the_guess_are_the_best_of_the_grid(small, monkeypatch):
    """Of two times alone, with the same noise as the terms that they are compared by."""
    x_0, labels, times = torch.rand(4, 1, 28, 28) * 2 - 1, torch.arange(4), [300, 301]
    noise = torch.randn_like(x_0)
    monkeypatch.setattr(torch, "randn_like", lambda x: noise)
    with torch.no_grad():
        best = shares.chosen(small, x_0, labels, times)

        def total(*constants):
            pair = shares.ByGuess(list(constants), best.each)
            terms = shares.compared_terms(small, x_0, labels, times, [0], pair)
            return shares.summed(times, terms["two constants"]), shares.summed(times, terms["two for each t"])

        (least, each), k = total(*best.constants), 1e-6
        assert each <= least + k
        for place in (0, 1):
            at = shares.GRID.index(best.constants[place])
            for beside in {max(at - 1, 0), min(at + 1, len(shares.GRID) - 1)} - {at}:
                changed = list(best.constants)
                changed[place] = shares.GRID[beside]
                assert least <= total(*changed)[0] + k


def test_a_sum_over_all_t_is_exact_for_powers_of_t():
    every = torch.arange(2, 4001).double()
    values = torch.tensor([[time**-1.5, 3 * time**-1.5] for time in (2, 30, 4000)])
    expected = (every**-1.5).sum().item()
    assert shares.summed([2, 30, 4000], values).tolist() == pytest.approx([expected, 3 * expected], rel=1e-5)
    assert shares.read_between([2, 30, 3000], values, last=4000).shape == (3999, 2)


def test_squared_gradients_are_those_of_single_images_and_leave_the_run_alone(small):
    x_0, labels = torch.rand(2, 1, 28, 28) * 2 - 1, torch.tensor([1, 2])
    before = [weights.clone() for weights in small.model.parameters()]
    found = shares.squared_gradients(small, losses.vlb_loss, x_0, labels, [1, 900])
    assert found.shape == (2, 2)
    assert (found[0] > 100 * found[1]).all()
    assert all(torch.equal(a, b) for a, b in zip(before, small.model.parameters(), strict=True))
    assert all(weights.grad is None for weights in small.model.parameters())


# --- the page, its program to debug, its stored numbers -----------------------------------------------------


def test_in_the_program_to_debug_only_the_answer_cuts_the_variance_off():
    lines = [line[3:] for line in exercise("10.4").statement.split("```")[1].strip().splitlines()]

    def gradient(program):
        process = diffusion.Diffusion(SCHEDULE, variance=diffusion.learned_range, clip=None)
        answer = torch.zeros(2, 2, 4, 4, requires_grad=True)
        x_0, eps, t = torch.rand(2, 1, 4, 4), torch.randn(2, 1, 4, 4), torch.tensor([3, 400])

        def term(output, x_0, x_t, t):
            guess = process.predict(lambda x_t, t: output, x_t, t)
            return losses.bound_term(process, guess, x_0, x_t, t, t - 1)

        names = {"q_sample": diffusion.q_sample, "schedule": SCHEDULE, "torch": torch, "C": 1, "T": 1000}
        names |= {"model": lambda x_t, t: answer, "term": term, "target": eps, "x_0": x_0, "eps": eps, "t": t}
        exec("\n".join(program), names)
        names["loss"].backward()
        return answer.grad[:, 1:]

    assert not gradient(lines).any()
    place = exercise("10.4").answer - 1
    mended = [*lines[:place], lines[place].removesuffix(".detach()"), *lines[place + 1 :]]
    assert gradient(mended).any()


def _measured(script, tmp_path, *options):
    command = [sys.executable, BENCH / script, "--n", "10", "--seeds", "0", "--out", tmp_path / "rows.json", *options]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["rows"]


def test_variances_are_measured_by_their_command(tmp_path):
    rows = _measured("variances.py", tmp_path, "--steps", "3", "--real", "0")
    assert [row["choice"] for row in rows][:2] == ["0", "0.1"]
    others = [row["fd_judge"] for row in rows if row["choice"] != "learned, kept in [0, 1]"]
    assert len(set(others)) == len(others) > 14  # no two choices draw the same
    walks = {row["choice"]: row for row in rows}
    assert [name for name in walks if "bound" not in walks[name]] == [name for name in walks if "ddim" in name]
    two = walks["by the bound, two by the guess"]
    assert two["bound"] < min(row["bound"] for row in rows if "bound" in row and row is not two)
    assert [len(f) for f in two["f"]] == [2, 2]  # of each step but the last


def test_the_published_times_of_ddim(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    from variances import CHOICES, later

    assert CHOICES["ddim, published times"].times(4000, 10) == [*range(3601, 0, -400), 0]
    assert later(4000, 4, 0.975) == [3900, 2925, 1950, 975, 0]


def test_skipped_walks_are_measured_by_their_command(tmp_path):
    rows = _measured("skipped.py", tmp_path, "--steps", "6", "--skip", "0", "3", "--real", "0")
    assert [(row["schedule"], row["skipped"]) for row in rows] == [
        (name, skip) for skip in (0, 3) for name in ("linear", "cosine")
    ]
    starts = {(row["schedule"], row["skipped"]): row["log_snr"] for row in rows}
    expected = math.log(float(SCHEDULE.snr[500]))
    assert starts["cosine", 3] == pytest.approx(expected, abs=0.01)  # half of the way
    assert starts["linear", 3] < starts["cosine", 3] - 2


def test_the_stored_numbers_have_three_seeds_each():
    found, real = p10.skipped_rows()
    assert len(real) == 3
    assert all(table.shape == (6, 3) for _, _, table in found.values())
    rows = p10_short.variance_rows(10)
    assert {"0", "0.2", "0.4", "1", "learned", "ddim", "ddim, published times", "real digits"} <= set(rows)
    bound = p10_short.variance_rows(10, "bound")
    assert set(rows) - set(bound) == {"real digits", *(name for name in rows if "ddim" in name)}
    assert all(len(values) == 3 for values in bound.values())
    assert all(len(values) == 3 for values in rows.values())
    assert all(len(values) == 3 for values in p10_short.repeated().values())
    stored = json.loads(shipped("bench/variances.json").read_text(encoding="utf-8"))
    assert stored["n"] == 1000


def test_what_was_measured_of_one_network_names_one_fingerprint():
    own = files.digest(runs.open_run("mnist-improved", "cpu").model.state_dict())
    for name in ("strided", "strided-seed1", "strided-seed2", "variances", "skipped"):
        assert json.loads(shipped(f"bench/{name}.json").read_text(encoding="utf-8"))["weights"] == own, name


def test_unseen_digits_are_measured_by_their_command(tmp_path):
    command = [sys.executable, BENCH / "unseen.py", "--digits", "mnist-5k", "--n", "4", "--times", "2", "300"]
    subprocess.run([*command, "--out", "found.json"], cwd=tmp_path, check=True, capture_output=True)
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert all(1 < bits < 2 for bits in found["xz"].values())
    assert found["variances"]["sums"].keys() == stored("unseen")["variances"]["sums"].keys()


def test_the_stored_terms_of_unseen_digits_are_of_the_constants_that_the_page_has():
    kept = stored("unseen")
    assert kept["digits"] == "mnist, test"
    assert (kept["variances"]["n"], kept["variances"]["constants"]) == (100, [0.02, 0.9])
    assert kept["variances"]["weights"] == files.digest(runs.open_run("mnist-improved", "cpu").model.state_dict())
    assert all(more.shape == (3,) for more in p10.unseen("f = 0", "two constants").values())
