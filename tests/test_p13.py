"""Notebook 13: the work of recipes, distances over n, tables of stored figures."""

from pathlib import Path

import pytest
import torch

import notebooks
from mini_ddpm import measure
from mini_ddpm.course import p13, p13_rulers
from mini_ddpm.course.stored import precision, spread, stored
from mini_ddpm.measure import extractors
from mini_ddpm.runs.presets import preset
from mini_ddpm.unet import UNet

BENCH = Path(__file__).parent / "bench"


def test_a_recipe_is_that_of_the_preset():
    found, config = p13.recipe("cifar10-laptop"), preset("cifar10-laptop")
    assert found.parameters == sum(p.numel() for p in UNet(config.unet).parameters())
    assert found.seen == config.training.steps * config.training.batch_size
    images, gflop_per_s = p13.rate(stored("cifar10"))
    assert gflop_per_s == pytest.approx(3 * found.gflop * images)
    assert found.gflop == pytest.approx(0.135, abs=0.001)


def test_distances_are_of_disjoint_groups_of_the_size_asked_for():
    real = measure.real_images(extractors.get("cifar10-judge", torch.device("cpu")), 600)
    found = p13.fd_over_n(real, (200, 500))
    assert [len(values) for values in found.values()] == [3, 1]
    assert found[500][0] == pytest.approx(measure.frechet_distance(real.test[:500], real.moments))
    assert min(found[200]) > found[500][0]


def test_a_moved_network_has_a_gradient():
    torch.manual_seed(0)
    assert p13.moved_network("tiny")(torch.randn(1, 1, 28, 28), torch.ones(1, dtype=torch.long)).abs().max() > 0


def test_tables_leave_empty_what_was_not_measured_and_mark_the_network():
    rows = {"real": [{"FD-x": 1.0}], "the shipped network": [{"FD-x": 2.0, "accuracy": 0.5}] * 2}
    table = p13_rulers.figures_table(rows, "x", "")
    assert table.rows == [("real", "1.0", "", "", "", ""), ("the shipped network", "2.0", "", "", "", "0.50")]
    assert table.marked == {1}


def test_two_rulers_stand_in_one_table():
    table = p13_rulers.floors_table()
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["test images against training images"] == ("1.0", "2.5", "", "", "", "")
    assert rows["test images against one half of the training images"] == ("1.1", "2.9", "", "", "", "")
    assert rows["the other half of these against it"] == ("0.6", "2.9", "0.82", "0.82", "0.70", "0.71")
    assert rows["the shipped network"] == ("133.1", "86.0", "0.91", "0.39", "0.79", "0.02")
    assert table.marked == {len(rows) - 1}
    assert "repeat: mini-ddpm floors, and again with --extractor efficientnet-lite0" in repr(table)


def test_the_control_of_recall_has_three_groups_in_two_rulers():
    rows = stored("recall")["rows"]
    found = {(row["extractor"], row["images"], row["group"]) for row in rows}
    assert len(found) == len(rows) == 3 * (10 + 7)
    assert [row[:2] for row in p13_rulers.recall_table().rows] == [("judge", "500")] * 7 + [("EfficientNet", "300")] * 6


def test_what_a_move_and_shrinking_cost_of_recall(monkeypatch):
    """Of a cloud that did one or the other, the untouched cloud that does the same has the recall."""
    monkeypatch.syspath_prepend(BENCH)
    from recall import figures

    torch.manual_seed(0)
    plain, real = torch.randn(2, 300, 8)
    moved, shrunk = figures(plain + 9, plain, real), figures(plain / 4, plain, real)
    as_it_is = figures(plain, plain, real)
    assert as_it_is["recall"] > 0.6
    for other in (moved["recall, untouched but shrunk"], shrunk["recall, untouched but moved"]):
        assert other == pytest.approx(as_it_is["recall"], abs=0.01)  # a distance on the rim may round to either side
    assert moved["recall"] == moved["recall, untouched but moved"] == moved["recall, untouched but both"] == 0
    for one in ("recall", "recall, untouched but shrunk", "recall, untouched but both"):
        assert shrunk[one] < 0.1
    assert (moved["spread"], shrunk["spread"]) == (1, 0.0625)
    assert moved["moved"] == pytest.approx(9, rel=0.1)


def test_who_knows_images_by_heart_errs_where_two_look_alike(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    from by_heart import losses

    torch.manual_seed(0)
    known = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    assert losses(known, torch.tensor(0.999), 100).max() < 1e-6
    nothing_left = losses(known, torch.tensor(1e-6), 1000)
    assert nothing_left.mean() == pytest.approx(1, abs=0.01)  # both look alike: their mean is 0


def test_the_page_says_what_the_second_pass_is_worth():
    text = " ".join(cell.source for cell in notebooks.read(notebooks.FOLDER / "13_cifar10.ipynb").cells)
    found = {}
    for row in stored("second-pass")["rows"]:
        found.setdefault(row["way"], []).append(row["FD-cifar10-judge"])
    for values in found.values():
        assert spread(values, 0) in text


@pytest.mark.parametrize(("value", "shown"), [(20143.3, "20,000"), (0.2604, "0.26"), (12.444, "12"), (1.44, "1.4")])
def test_numbers_without_a_show_of_precision(value, shown):
    assert p13.rough(value) == shown


def test_floors_are_in_units_of_their_own():
    drawn = stored("cifar10-evaluation")
    noisy, network = p13_rulers.in_floors(drawn, "cifar10-judge")
    assert network == drawn["FD-cifar10-judge"] / drawn["FD-cifar10-judge of test images"]
    assert noisy == sorted(noisy)


@pytest.mark.parametrize(
    ("values", "shown"), [((0.5,), "0.50"), ((0.5, 0.7), "0.60 (0.50 to 0.70)"), ((0.501, 0.502), "0.50")]
)
def test_a_spread_is_shown_where_it_can_be_seen(values, shown):
    assert spread(values) == shown


def test_a_record_that_says_no_precision_is_of_a_processor_that_has_one():
    assert precision("AMD EPYC, 2 CPU threads, torch 2.13.0+cpu, Linux") == "float32"
    assert precision("AMD EPYC, 2 CPU threads, bfloat16, torch 2.13.0+cpu, Linux") == "bfloat16"
