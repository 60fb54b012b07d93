"""Notebook 14: the papers' numbers as they stand in the papers, and what the page says of ours."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mini_ddpm import diffusion, losses
from mini_ddpm.course import fourteen, p14, p14_papers
from mini_ddpm.course.exercises.n14 import _how_often
from mini_ddpm.course.stored import stored
from mini_ddpm.schedules import NoiseSchedule, linear_betas


def test_the_papers_rows_hold_together():
    """Numbers that stand in two tables are the same in both."""
    named = {row.model: row for row in p14_papers.DDPM_TABLE_1}
    assert named["DDPM, L_simple"].fid == float(p14_papers.DDPM_TABLE_2[-1][-1])
    assert named["DDPM, L"].fid == float(p14_papers.DDPM_TABLE_2[-2][-1])
    fids = [row.fid for row in p14_papers.DDPM_TABLE_1 if row.fid]
    assert fids == sorted(fids, reverse=True)  # as the chart's title says, DDPM's is the least
    assert {row.kind for row in p14_papers.DDPM_TABLE_1} == {*p14_papers.KINDS}


def test_of_the_single_choices_one_has_the_papers_sign_with_every_seed():
    found = p14.changes()
    assert [choice for choice, ours in found.items() if p14.agrees(choice, ours)] == [
        "rescaled residuals",
        "all but rescaling",
    ]
    assert {len(ours) for ours in found.values()} == {3}
    assert found.keys() == p14.ADM_CHANGES.keys()
    assert not p14.agrees("4 heads", [-1.0, -1.0, 0.1])


def test_by_the_loss_three_single_choices_lie_apart_with_the_papers_sign():
    found = {}
    for row in stored("ablation")["rows"]:
        found.setdefault(row["choice"], []).append(row["loss"])
    base = found.pop("base")
    better = {choice for choice, own in found.items() if max(own) < min(base)}
    worse = {choice for choice, own in found.items() if min(own) > max(base)}
    assert better == {"attention at 14 and 7", "AdaGN", "all but rescaling"}
    assert worse == {"rescaled residuals"}
    assert all(p14.ADM_CHANGES[choice] < 0 for choice in better)
    assert p14.ADM_CHANGES["rescaled residuals"] > 0


def test_who_suffers_at_ten_steps():
    found = p14.strided()
    lost = {sampler: values[10][0] - values[250][0] for sampler, values in found.items()}
    assert max(lost, key=lost.get) == "fixed-large"
    assert min(lost, key=lost.get) == "ddim"
    assert min(lost.keys() - {"ddim"}, key=lost.get) == "learned-range"
    for seed in range(3):
        assert min(found, key=lambda sampler: found[sampler][10][seed]) == "learned-range"
    assert found["fixed-small"][25][0] < found["ddim"][25][0] < found["fixed-large"][25][0]
    assert all(max(found, key=lambda sampler: found[sampler][n][0]) == "ddim" for n in (50, 100, 250))


def test_the_duel_is_by_seed_and_by_loss():
    found = p14.duel("objective")
    rows = [row for row in stored("objective")["rows"] if row["loss"] == "L"]
    assert found["L"]["fd_judge"] == [row["fd_judge"] for row in rows]
    assert len(p14.duel_table("objective-long").rows) == len(p14.MEASURES)


def test_a_row_of_gradients_is_of_its_loss_and_the_clip_acts_on_the_rival():
    rows = {row[0]: row for row in p14.gradients_table().rows}
    assert rows.keys() == {"L even", "L by weight"}
    assert rows["L even"][3] == "0"
    assert float(rows["L by weight"][3].split()[0]) > 20


def test_drawn_evenly_and_weighed_the_squared_error_has_the_gradient_of_the_bound(monkeypatch):
    """The control of `tests/bench/objective.py`: L again, but for its term at t = 1."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent / "bench"), *sys.path])
    from objective import WeighedTimes

    schedule = NoiseSchedule.from_betas(linear_betas(1000))
    process = diffusion.Diffusion(schedule, variance=diffusion.fixed_large, clip=None)
    torch.manual_seed(0)
    t, weight = WeighedTimes(process).draw(1000, 64, torch.device("cpu"))
    x_0, eps, answer = torch.rand(64, 1, 4, 4) * 2 - 1, *torch.randn(2, 64, 1, 4, 4)
    assert 1 not in t
    assert len(t.unique()) > 55
    found = []
    for loss, factor in ((losses.vlb_loss, 1), (losses.simple_loss, weight)):
        guess = answer.clone().requires_grad_()
        (factor * loss(process, lambda x_t, t, guess=guess: guess, x_0, t, eps)).sum().backward()
        found.append(guess.grad)
    assert torch.allclose(*found, rtol=1e-3, atol=1e-6)


def test_where_the_weight_lies():
    share = _how_often(linear_betas(1000)).cumsum(0)
    assert [row[1] for row in p14.weight_table().rows] == [
        f"{part:.0%}" for part in np.diff([0, *share[[19, 499, 999]].tolist()])
    ]


def test_bits_are_those_of_the_stored_bounds():
    (_, _, digits, error, n, how), (_, _, colour, *_) = p14.bits_table().rows
    assert (digits, error, n) == ("1.316", "0.027", "100")
    assert how == "mini-ddpm evaluate mnist-improved --bits 100 --precision float32"
    assert float(colour) == pytest.approx(stored("cifar10-bits")["bits_per_dim"], abs=1e-3)


def test_what_we_trained_stands_beside_as_many_real_images():
    rows = {row[0]: row for row in p14.ours_table().rows}
    assert rows["mnist-laptop"][1:5] == ("cosine, v, min-snr", "yes, guidance 1.75", "3,200", "2,000")
    assert rows["mnist-laptop"][6] == "0.014 (0.013 to 0.016)"
    assert rows["cifar10-ddpm"] == ("cifar10-ddpm", "linear, eps, simple", "no", "800,000", "", "", "")
    table = p14.duel_table("objective")
    assert (table.head[-1], table.rows[4][-1]) == ("real digits, 8 sets", "0.03 (0.03 to 0.04)")


def test_fourteen_formulas_agree_and_one_that_does_not_is_named(monkeypatch):
    assert [row[2] for row in fourteen.table().rows] == sorted(one.notebook for one in fourteen.formulas())
    assert torch.get_default_dtype() == torch.float32
    monkeypatch.setattr(fourteen.guidance, "classifier_free", lambda model, y, scale: lambda x_t, t: x_t)
    with pytest.raises(AssertionError, match="no label"):
        fourteen.table()


def test_what_stands_for_a_network_tells_labels_apart():
    x, t, told = torch.randn(2, 1, 3, 3), torch.tensor([5, 5]), fourteen.Told()
    one, other = told(x, t, torch.tensor([1, 2])), told(x, t, torch.tensor([1, 3]))
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[1], other[1])


def test_a_bound_is_shown_as_one():
    assert [p14_papers.bits(row) for row in p14_papers.DDPM_TABLE_1 if row.nll] == ["3.03", "≤ 3.70", "≤ 3.75", "2.80"]
