import math

import pytest
import torch

from mini_ddpm.data import ImageSet, load, to_model
from mini_ddpm.evaluation import (
    class_spread,
    evaluate_images,
    frechet_distance,
    frechet_metric,
    judge_features,
    load_reference,
    nearest_distance,
    refer,
    save_reference,
)
from mini_ddpm.files import CheckpointError, write_tensors
from mini_ddpm.judge import Judge, jitter, train_judge

REFERENCE = load_reference()


def moments(features):
    metric = frechet_metric()
    metric.update(features.double(), real=True)
    return {name: value for name, value in metric.metric_state.items() if name.startswith("real")}


def test_frechet_distance_of_gaussians_is_the_closed_form():
    """|m1 - m2|^2 + sum (s1 - s2)^2 for independent features of known mean and deviation."""
    torch.manual_seed(0)
    a, b = torch.randn(20_000, 128), 1.5 * torch.randn(20_000, 128) + 0.2
    expected = 128 * 0.2**2 + 128 * (1.5 - 1) ** 2
    assert frechet_distance(b, moments(a)) == pytest.approx(expected, rel=0.02)
    assert frechet_distance(a, moments(a)) == pytest.approx(0, abs=1e-6)


def test_shipped_judge_reads_held_out_digits():
    held_out = load("mnist-5k", "test")
    _, predicted = judge_features(REFERENCE.judge, to_model(held_out.images))
    assert float((predicted == held_out.labels).float().mean()) > 0.99
    assert REFERENCE.accuracy >= 0.994
    assert REFERENCE.judge.num_features <= 128
    assert int(REFERENCE.moments["real_features_num_samples"]) == 60_000


def test_real_digits_score_like_real_digits_and_noise_does_not():
    train, held_out = load("mnist-5k", "train"), load("mnist-5k", "test")
    real = evaluate_images(to_model(train.images[:2000]), train.labels[:2000], REFERENCE, train, held_out)
    assert real["fd_ratio"] < 1.5
    assert real["accuracy"] > 0.99
    assert real["diversity"] == pytest.approx(1, abs=0.2)
    assert real["nearest_train"] < 0.05  # copies of the training set are noticed
    assert real["nearest_heldout"] > 3
    torch.manual_seed(0)
    noise = evaluate_images(torch.randn(500, 1, 28, 28).clamp(-1, 1), None, REFERENCE, train, held_out)
    assert noise["fd_ratio"] > 100
    assert "accuracy" not in noise


def test_one_digit_over_and_over_is_not_diverse():
    train, held_out = load("mnist-5k", "train"), load("mnist-5k", "test")
    images, labels = to_model(train.images[:10]).repeat(50, 1, 1, 1), train.labels[:10].repeat(50)
    figures = evaluate_images(images, labels, REFERENCE, train, held_out)
    assert figures["accuracy"] == 1  # which is why accuracy alone can be gamed
    assert figures["diversity"] < 0.05


def test_class_spread():
    features = torch.tensor([[0.0, 0], [2, 0], [10, 0], [10, 0]])
    assert class_spread(features, torch.tensor([0, 0, 1, 1])) == pytest.approx(0.5)


def test_nearest_distance():
    black, white = -torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert nearest_distance(black, white) == pytest.approx(math.sqrt(4))
    assert nearest_distance(black, torch.cat([white, black])) < 1e-3


def test_jitter_keeps_the_background():
    torch.manual_seed(0)
    x = to_model(load("mnist-5k").images[:50])
    moved = jitter(x)
    assert moved.shape == x.shape
    assert moved.min() >= -1
    assert moved[:, :, 0, 0].max() < 0
    assert not torch.equal(moved, x)
    torch.testing.assert_close(jitter(x, 0, 0, 0), x, rtol=0, atol=1e-4)


def test_judge_trains_and_its_file_round_trips(tmp_path):
    torch.manual_seed(0)
    judge, digits = Judge(), load("mnist-5k")
    some = ImageSet(digits.images[:1000], digits.labels[:1000])
    losses = [float(step.loss) for step in train_judge(judge, some, epochs=3, batch_size=64)]
    assert sum(losses[-8:]) / 8 < sum(losses[:8]) / 8 - 0.5
    reference = refer(judge, some, load("mnist-5k", "test"))
    assert reference.accuracy > 0.5
    save_reference(reference, tmp_path / "judge.safetensors")
    again = load_reference(tmp_path / "judge.safetensors")
    assert (again.fd_test, again.spread_test) == (reference.fd_test, reference.spread_test)
    x = to_model(digits.images[:10])
    assert torch.equal(again.judge(x), judge(x))


def test_foreign_judge_file_is_refused(tmp_path):
    write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {})
    with pytest.raises(CheckpointError, match="not a judge"):
        load_reference(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="does not exist"):
        load_reference(tmp_path / "gone.safetensors")
