"""Notebook 13: the work of recipes, distances over n, tables of stored figures."""

import pytest
import torch

from mini_ddpm import measure
from mini_ddpm.course import p13
from mini_ddpm.course.stored import precision, spread, stored
from mini_ddpm.measure import extractors
from mini_ddpm.runs.presets import preset
from mini_ddpm.unet import UNet


def test_a_recipe_is_that_of_the_preset():
    found, config = p13.recipe("cifar10-laptop"), preset("cifar10-laptop")
    assert found.parameters == sum(p.numel() for p in UNet(config.unet).parameters())
    assert found.seen == config.training.steps * config.training.batch_size
    images, gflop_per_s = p13.rate(stored("cifar10"))
    assert gflop_per_s == pytest.approx(3 * found.gflop * images)
    assert found.gflop == pytest.approx(0.135, abs=0.001)  # as the page prints it


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
    table = p13.figures_table(rows, "x", "")
    assert table.rows == [("real", "1.0", "", "", "", ""), ("the shipped network", "2.0", "", "", "", "0.50")]
    assert table.marked == {1}
    shown = repr(p13.floors_table("efficientnet-lite0"))
    assert "repeat: mini-ddpm floors --extractor efficientnet-lite0" in shown
    assert p13.floors_table("cifar10-judge").rows[-1][0] == "the shipped network"


def test_floors_are_in_units_of_their_own():
    drawn = stored("cifar10-evaluation")
    noisy, network = p13.in_floors(drawn, "cifar10-judge")
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
