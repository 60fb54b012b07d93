import math

import pytest
import torch
from oracles import gaussian_denoiser

from mini_ddpm.data import ImageSet, load, to_model
from mini_ddpm.diffusion import Diffusion, fixed_large
from mini_ddpm.files import CheckpointError, write_tensors
from mini_ddpm.losses import simple_loss, vlb_loss
from mini_ddpm.measure import (
    bound,
    class_spread,
    evaluate_images,
    frechet_distance,
    judge_features,
    load_reference,
    moments_of,
    nearest_distance,
    precision_recall,
)
from mini_ddpm.measure.digits import refer, save_reference
from mini_ddpm.measure.judges import Judge, jitter, train_judge
from mini_ddpm.schedules import NoiseSchedule, linear_betas

REFERENCE = load_reference()


def test_frechet_distance_of_gaussians_is_the_closed_form():
    """|m1 - m2|^2 + sum (s1 - s2)^2 for independent features of known mean and deviation."""
    torch.manual_seed(0)
    a, b = torch.randn(20_000, 128), 1.5 * torch.randn(20_000, 128) + 0.2
    expected = 128 * 0.2**2 + 128 * (1.5 - 1) ** 2
    assert frechet_distance(b, moments_of(a)) == pytest.approx(expected, rel=0.02)
    assert frechet_distance(a, moments_of(a)) == pytest.approx(0, abs=1e-6)


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
    assert noise["fd_judge"] > 100 * real["fd_judge"]
    assert "fd_ratio" not in noise  # its unit is the distance of 2,000 images
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


def test_precision_and_recall():
    """Points on a line, three neighbours on: the real ones reach from 0 to 9, the others to 5 and beyond 100."""
    real = torch.arange(10.0)[:, None]
    some = torch.cat([torch.arange(6.0), 100 + torch.arange(4.0)])[:, None]
    precision, recall = precision_recall(some, real)
    assert precision == pytest.approx(0.6)
    assert recall == pytest.approx(0.9)  # 5's third neighbour is 2, so it reaches 8
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real + 1000, real) == (0.0, 0.0)


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
    some = ImageSet(digits.images[:800], digits.labels[:800])
    losses = [float(step.loss) for step in train_judge(judge, some, epochs=3, batch_size=64)]
    assert sum(losses[-8:]) / 8 < sum(losses[:8]) / 8 - 0.5
    reference = refer(judge, some, load("mnist-5k", "test"))
    assert reference.accuracy > 0.4
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


# --- the bound ------------------------------------------------------------------------------------------


def gaussian_images(n, deviation):
    """8-bit images of independent pixels N(0, deviation^2) in [-1, 1], rounded to grey levels."""
    x = deviation * torch.randn(n, 1, 8, 8)
    return ((x + 1) * 127.5).round().clamp(0, 255).byte()


def test_bound_of_gaussian_pixels_reaches_their_entropy():
    """The optimal denoiser, many steps: the bound must lie just above -log2 of the density times the bin."""
    torch.manual_seed(0)
    deviation, diffusion = 0.2, Diffusion(NoiseSchedule.from_betas(linear_betas(1000)), variance=fixed_large)
    found = bound(diffusion, gaussian_denoiser(diffusion, 0.0, deviation**2), gaussian_images(60, deviation))
    entropy = math.log2(deviation * math.sqrt(2 * math.pi * math.e)) - math.log2(2 / 255)
    excess = float(found.bits_per_dim.mean()) - entropy
    assert 0 < excess < 0.2, excess


def test_terms_of_the_bound_are_the_losses():
    diffusion = Diffusion(NoiseSchedule.from_betas(linear_betas(50)), clip=None)
    model, images = gaussian_denoiser(diffusion, 0.1, 0.3), gaussian_images(5, 0.3)
    torch.manual_seed(3)
    found = bound(diffusion, model, images)
    torch.manual_seed(3)
    for k, t in enumerate(range(50, 0, -1)):
        eps = torch.randn(5, 1, 8, 8)
        loss = vlb_loss(diffusion, model, to_model(images), torch.full((5,), t), eps)
        torch.testing.assert_close(found.terms[:, k], loss)
        simple = simple_loss(diffusion, model, to_model(images), torch.full((5,), t), eps)
        torch.testing.assert_close(found.eps_error[:, k], simple, rtol=1e-3, atol=1e-5)
    assert found.times == list(range(50, 0, -1))
    torch.testing.assert_close(found.bits_per_dim, found.prior + found.terms.sum(1))


def test_progressive_coding_starts_with_nothing_and_ends_with_all_but_L_0():
    diffusion = Diffusion(NoiseSchedule.from_betas(linear_betas(50)))
    found = bound(diffusion, gaussian_denoiser(diffusion, 0.0, 0.09), gaussian_images(20, 0.3))
    rate, distortion = found.progressive()
    assert float(rate[0]) == pytest.approx(float(found.prior.mean()))
    assert float(rate[-1] + found.terms[:, -1].mean()) == pytest.approx(float(found.bits_per_dim.mean()), rel=1e-5)
    assert bool((rate.diff() >= 0).all())
    assert float(distortion[0]) == pytest.approx(127.5 * 0.3, rel=0.1)  # all that is known is the mean
    left = 0.09 * 0.002 / (0.09 * 0.998 + 0.002)  # variance of x_0 given x_1; beta_1 is 0.002
    assert float(distortion[-1]) == pytest.approx(127.5 * left**0.5, rel=0.05)


def test_bound_wants_8_bit_images():
    diffusion = Diffusion(NoiseSchedule.from_betas(linear_betas(50)))
    with pytest.raises(ValueError, match="8-bit images: give uint8, not"):
        bound(diffusion, gaussian_denoiser(diffusion, 0.0, 1.0), torch.zeros(2, 1, 8, 8))
