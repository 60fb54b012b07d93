"""Slips of one line that every other test once let pass, found by planting 200 of them: one test for each."""

import json
import math
import os
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from mini_ddpm import (
    data,
    diffusion,
    files,
    losses,
    measure,
    parallel,
    runs,
    schedules,
)
from mini_ddpm.classifier import AttentionPool, Classifier, accuracy_per_t, train_classifier
from mini_ddpm.course.toys import Mixture, PointNet, best_model, swiss_roll
from mini_ddpm.data import ImageSet, load, some_cifar10, to_model, to_pixels
from mini_ddpm.diffusion import Diffusion, Prediction, fixed_large, fixed_small, learned_range, predict_x_0, q_sample
from mini_ddpm.guidance import classifier_gradient, classifier_step
from mini_ddpm.losses import ImportanceTimes, bound_term, decoder_log_likelihood, hybrid_loss, simple_loss, vlb_loss
from mini_ddpm.measure import (
    Bound,
    colour,
    digits,
    extractors,
    frechet_distance,
    judge_features,
    judges,
    moments_of,
    nearest_distance,
)
from mini_ddpm.measure.extractors import Extractor
from mini_ddpm.runs import presets
from mini_ddpm.runs.device import steps_in
from mini_ddpm.runs.drawing import guided, sheet_labels
from mini_ddpm.runs.folder import write_metrics
from mini_ddpm.runs.pictures import image_grid, loss_curve, save_animation
from mini_ddpm.runs.presets import RunConfig, SampleConfig, preset
from mini_ddpm.runs.trained import find, read_config
from mini_ddpm.sampling import Step, ancestral_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas
from mini_ddpm.training import TrainConfig, TrainState, TrainStep, train
from mini_ddpm.unet import Downsample, ResidualBlock, UNet, UNetConfig, Upsample, timestep_embedding

CPU = torch.device("cpu")
LINEAR = NoiseSchedule.from_betas(linear_betas(1000))
TINY = preset("tiny")
SMALL = UNetConfig(
    image_size=28, in_channels=1, base_channels=8, channel_mults=(1, 2), blocks=1, attention=(14,), groups=4
)
BLACK_AND_WHITE = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)


def tiny_run(folder, **training):
    return runs.start(replace(TINY, training=replace(TINY.training, **training)), folder, CPU)


@pytest.fixture
def shipped():
    return runs.open_run("mnist", CPU)


# --- the process ----------------------------------------------------------------------------------------


def test_a_strided_chain_is_rounded_and_not_cut_off():
    assert Diffusion(LINEAR, steps=7).timesteps == [1000, 857, 714, 571, 429, 286, 143, 0]


def test_a_prediction_has_the_precision_of_the_image():
    process, x_t = Diffusion(LINEAR, predict_x_0), torch.zeros(1, 1, 2, 2)
    found = process.predict(lambda x, t: torch.cat([x, x], 1).bfloat16(), x_t, torch.tensor([5]))
    assert found.x_0.dtype == found.rho.dtype == torch.float32


def test_the_default_variance_is_the_papers():
    assert Diffusion(LINEAR).variance is fixed_large


@pytest.mark.parametrize("betas", [linear_betas(1000), cosine_betas(4000)])
def test_a_perfect_guess_costs_nothing_at_t_2(betas):
    process, t = Diffusion(NoiseSchedule.from_betas(betas), variance=fixed_small), torch.tensor([2])
    x_0 = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    x_t = q_sample(x_0, torch.randn_like(x_0), process.schedule.at(t))
    assert float(bound_term(process, Prediction(x_0, None), x_0, x_t, t, t - 1)) == pytest.approx(0, abs=1e-9)


def test_the_last_step_of_a_strided_chain_decodes():
    process, x_0, t = Diffusion(LINEAR, variance=fixed_small, steps=10), torch.zeros(1, 1, 4, 4), torch.tensor([100])
    x_t = q_sample(x_0, torch.randn_like(x_0), LINEAR.at(t))
    found = bound_term(process, Prediction(x_0, None), x_0, x_t, t, torch.tensor([0]))
    nats = -decoder_log_likelihood(x_0, x_0, process.floor.log().float()).mean()
    assert float(found) == pytest.approx(float(nats) / math.log(2), rel=1e-4)


def test_hybrid_weighs_the_bound_with_a_thousandth_of_T():
    process = Diffusion(NoiseSchedule.from_betas(linear_betas(100)), variance=learned_range, clip=None)
    x_0, eps, t = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4), torch.tensor([1, 50, 100])

    def found(loss):
        return loss(process, lambda x, t: 0.1 * torch.cat([x, x], dim=1), x_0, t, eps)

    torch.testing.assert_close(found(hybrid_loss), found(simple_loss) + 0.1 * found(vlb_loss))


def test_importance_is_the_root_of_the_mean_square():
    times = ImportanceTimes(2)
    times.history[0, 0], times.history[1] = 10.0, 1.0
    times.count += 10
    root = torch.tensor([10**0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(times.probabilities, 0.999 * root / root.sum() + 0.0005)


def test_sampling_keeps_no_graph():
    weight = torch.ones((), requires_grad=True)
    walk = sample(ancestral_step, Diffusion(LINEAR, steps=2), lambda x, t: weight * x, torch.randn(1, 1, 2, 2))
    assert not any(state.x_t.requires_grad or state.x_0.requires_grad for state in walk)


def test_a_classifiers_gradient_leaves_the_image_alone():
    x = torch.randn(1, 1, 2, 2)
    classifier_gradient(lambda x, t: x.flatten(1), x, torch.tensor([1]), torch.tensor([0]))
    assert not x.requires_grad


def test_a_classifier_is_asked_at_the_mean_unless_told_otherwise():
    process, asked = Diffusion(LINEAR), []
    model = best_model(process, Mixture(torch.ones(1), torch.zeros(1, 1), 0.5))
    step = classifier_step(lambda x, t: asked.append(int(t[0])) or x.flatten(1), torch.tensor([0]), 1.0)
    step(process, model, torch.zeros(1, 1, 1, 1), 80, 30)
    assert asked == [30]


# --- the network ----------------------------------------------------------------------------------------


def awake(module):
    torch.manual_seed(0)
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.3)
    return module.eval()


def test_time_and_label_enter_through_two_silu():
    net, t, y = awake(UNet(replace(SMALL, classes=10))), torch.tensor([3, 700]), torch.tensor([1, 10])
    first, _, second = net.time_mlp
    emb = second(F.silu(first(timestep_embedding(t, 8)))) + net.class_embedding(y)
    torch.testing.assert_close(net.embed(t, y), F.silu(emb))


@pytest.mark.parametrize("resample", [nn.Identity(), nn.AvgPool2d(2)])
def test_a_residual_block_resamples_after_silu_and_adds_the_time_before_its_second_norm(resample):
    block = awake(ResidualBlock(8, 8, SMALL, resample))
    x, emb = torch.randn(2, 8, 4, 4), torch.randn(2, 32)
    h = block.conv_1(resample(F.silu(block.norm_1(x)))) + block.embed(emb)[:, :, None, None]
    torch.testing.assert_close(block(x, emb), resample(x) + block.conv_2(F.silu(block.norm_2(h))))


def test_dropout_comes_after_silu():
    block, seen = ResidualBlock(8, 8, replace(SMALL, dropout=0.5)), []
    block.norm_2.register_forward_hook(lambda module, inputs, out: seen.append(F.silu(out)))
    block.dropout.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    block(torch.randn(2, 8, 4, 4), torch.randn(2, 32))
    torch.testing.assert_close(seen[1], seen[0])


def test_silu_comes_before_the_last_convolution_and_before_pooling():
    net, classifier, seen = awake(UNet(SMALL)), Classifier(TINY.unet, 2), []
    for norm, last in ((net.norm_out, net.conv_out), (classifier.norm_out, classifier.pool)):
        norm.register_forward_hook(lambda module, inputs, out: seen.append(F.silu(out)))
        last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(torch.randn(1, 1, 28, 28), torch.tensor([5]))
    classifier(torch.randn(1, 1, 28, 28), torch.tensor([5]))
    torch.testing.assert_close(seen[1], seen[0])
    torch.testing.assert_close(seen[3], seen[2])


def test_upsampling_repeats_pixels_and_downsampling_pads_with_zeros():
    up, down, x = Upsample(8), Downsample(8), torch.randn(1, 8, 6, 6)
    nn.init.dirac_(up.conv.weight)
    nn.init.zeros_(up.conv.bias)
    torch.testing.assert_close(up(x, None), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(down(x, None), F.conv2d(x, down.weight, down.bias, stride=2, padding=1))


def test_attention_pooling_asks_from_the_mean_pixel():
    pool, h = awake(AttentionPool(4, 9)), torch.randn(2, 4, 3, 3)
    pixels = h.flatten(2).transpose(1, 2)
    tokens = torch.cat([pixels.mean(1, keepdim=True), pixels], 1) + pool.position
    key, value = pool.key_value(tokens).chunk(2, -1)
    weights = (pool.query(tokens[:, :1]) @ key.transpose(1, 2) / 2).softmax(-1)
    torch.testing.assert_close(pool(h), pool.out((weights @ value)[:, 0]))


def test_a_classifier_is_trained_up_to_T_and_told_the_time():
    classifier, seen = Classifier(TINY.unet, 2), []
    classifier.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    black = ImageSet(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    list(train_classifier(classifier, black, NoiseSchedule.from_betas(cosine_betas(3)), 15))
    assert set(torch.cat(seen).tolist()) == {0, 1, 2, 3}
    told = []
    accuracy_per_t(lambda x, t: told.append(set(t.tolist())) or torch.eye(4)[:, :2], LINEAR, black, [0, 300])
    assert told == [{0}, {300}]


# --- training -------------------------------------------------------------------------------------------


def test_the_optimiser_is_as_configured_and_the_average_is_never_in_training():
    state = TrainState(PointNet(1).train(), TrainConfig(betas=(0.8, 0.95), weight_decay=0.3))
    (group,) = state.optimizer.param_groups
    assert (group["betas"], group["weight_decay"]) == ((0.8, 0.95), 0.3)
    assert not state.ema.training


def told_and_shown(**training):
    """A short training on a black image with label 3 and a white one with label 7."""
    config = replace(TINY.training, steps=4, **training)
    state, told, shown, noise = TrainState(UNet(TINY.unet).eval(), config), [], [], []
    state.network = lambda x, t, y: told.append(y) or state.model(x, t, y)

    def spy(process, model, x_0, t, eps):
        shown.append(x_0[:, 0, 0, 0])
        noise.append(eps)
        return simple_loss(process, model, x_0, t, eps)

    torch.manual_seed(0)
    images = ImageSet(BLACK_AND_WHITE.expand(2, 1, 28, 28), torch.tensor([3, 7]))
    list(train(TINY.diffusion, state, images, spy, config))
    assert state.model.training
    return torch.cat(told), torch.cat(shown), torch.cat(noise)


def test_every_image_is_drawn_with_its_own_label():
    y, shown, _ = told_and_shown(batch_size=256, label_dropout=0.25)
    kept = y != 10
    assert float(kept.double().mean()) == pytest.approx(0.75, abs=0.07)
    assert set(shown.tolist()) == {-1.0, 1.0}
    assert torch.equal(y[kept], torch.where(shown < 0, 3, 7)[kept])


def test_every_image_gets_its_own_normal_noise():
    *_, eps = told_and_shown(batch_size=32)
    assert float(eps.mean()) == pytest.approx(0, abs=0.02)
    assert float(eps.std()) == pytest.approx(1, abs=0.02)
    assert float(eps.abs().max()) > 3.5
    rows = eps.flatten(1)
    assert float((torch.cdist(rows, rows) + 1e3 * torch.eye(len(rows))).min()) > 30


def test_moments_come_back_in_the_layout_of_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("mini_ddpm.training.has_bf16", lambda device: False)  # channels last
    assert runs.fit(tiny_run(tmp_path, steps=1))
    optimizer = runs.resume(tmp_path, CPU).state.optimizer
    assert all(moments["exp_avg"].stride() == w.stride() for w, moments in optimizer.state.items())


def resumed_elsewhere(folder, until=0, **training):
    """The next noise after a run was resumed on another kind of device."""
    runs.fit(tiny_run(folder, steps=20, **training), until=until)
    tensors, metadata = files.read_tensors(folder / runs.CHECKPOINT)
    tensors["random.cuda"] = tensors.pop("random.cpu")
    files.write_tensors(folder / runs.CHECKPOINT, tensors, metadata)
    runs.resume(folder, CPU)
    return torch.randn(3)


def test_noise_after_a_change_of_device_depends_on_seed_and_step(tmp_path):
    first = resumed_elsewhere(tmp_path / "a", seed=0)
    assert not torch.equal(first, resumed_elsewhere(tmp_path / "b", seed=1))
    assert not torch.equal(first, resumed_elsewhere(tmp_path / "c", until=10, seed=0))


def test_noise_of_processes_seeds_and_steps_is_apart(monkeypatch):
    drawn = set()
    for rank in range(3):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        for seed, step in ((0, 0), (0, 10), (1, 0)):
            parallel.seed_apart(seed, step)
            drawn.add(float(torch.rand(())))
    assert len(drawn) == 9


def test_a_process_takes_the_gpu_of_its_place_on_the_machine(monkeypatch):
    monkeypatch.setattr(parallel, "size", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setitem(os.environ, "RANK", "5")
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "1")
    assert parallel.own_device(torch.device("cuda")) == torch.device("cuda", 1)


def test_a_budget_in_minutes_counts_what_the_timing_took(monkeypatch):
    now = [0.0]

    def a_step_a_second():
        while True:
            now[0] += 1
            yield TrainStep(1, torch.tensor(0.0), torch.tensor(0.0))

    monkeypatch.setattr("mini_ddpm.runs.device.time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert steps_in(10, a_step_a_second()) == 600 - 19  # 3% of 600 seconds are 18


# --- presets --------------------------------------------------------------------------------------------


def test_names_stand_for_what_they_say():
    assert {
        "eps": diffusion.predict_eps,
        "x_0": diffusion.predict_x_0,
        "v": diffusion.predict_v,
    } == presets.PARAMETERIZATIONS
    assert {
        "fixed-small": fixed_small,
        "fixed-large": fixed_large,
        "learned-range": learned_range,
    } == presets.VARIANCES
    assert {"linear": schedules.linear_betas, "cosine": schedules.cosine_betas} == presets.SCHEDULES
    assert {
        "simple": simple_loss,
        "min-snr": losses.min_snr_loss,
        "vlb": vlb_loss,
        "hybrid": losses.hybrid_loss,
    } == presets.LOSSES
    assert SampleConfig("ddim", eta=0.3).step.keywords == {"eta": 0.3}


def test_recipes_are_the_papers():
    ddpm, improved = preset("cifar10-ddpm"), preset("cifar10-improved")
    assert ddpm.training.betas == (0.9, 0.999)
    assert improved.unet.adaptive_norm
    assert (improved.unet.dropout, improved.training.warmup_steps, improved.training.ema_decay) == (0.3, 0, 0.9999)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_guided_preset_is_trained_for_it(name):
    config = preset(name)
    assert config.sampling.guidance >= 1
    if config.sampling.guidance > 1:
        assert config.unet.classes == (0 if name == "pictures" else 10)  # the folder says how many
        assert config.training.label_dropout == 0.1


@pytest.mark.parametrize("name", ["mnist", "mnist-improved"])
def test_a_shipped_network_is_that_of_its_preset(name):
    assert preset(name).unet == read_config(find(name)).unet


def test_a_config_survives_its_file():
    config = replace(TINY, training=replace(TINY.training, betas=(0.7, 0.8), clip_norm=3.0))
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


# --- runs -----------------------------------------------------------------------------------------------


def test_an_opened_network_is_not_in_training(shipped):
    assert not any(module.training for module in shipped.model.modules())


def test_batches_are_drawn_from_other_noise_with_their_own_labels(shipped, monkeypatch):
    monkeypatch.setattr("mini_ddpm.runs.drawing.BATCH", 3)
    drawn = []

    def draw(trained, labels, n, seed, own):
        drawn.append(seed)
        yield Step(0, labels[:, None, None, None].float().expand(n, 1, 28, 28), None)

    monkeypatch.setattr("mini_ddpm.runs.drawing.draw", draw)
    images = runs.draw_many(shipped, torch.arange(7), 7, seed=0)
    assert images[:, 0, 0, 0].tolist() == list(range(7))
    assert len(set(drawn)) == 3


def test_the_bound_is_of_evenly_spaced_test_images_with_labels_and_their_own_noise(shipped, monkeypatch):
    asked, seen = [], []
    images = torch.arange(12, dtype=torch.uint8)[:, None, None, None].expand(12, 1, 28, 28)

    def bound(process, model, part, bar):
        seen.append((part[:, 0, 0, 0].tolist(), model.keywords["y"].tolist(), torch.randn(3).tolist(), process.clip))
        empty = torch.zeros(len(part), 1)
        return Bound([1], empty[:, 0], empty, empty, empty)

    monkeypatch.setattr(
        "mini_ddpm.runs.results.images_of",
        lambda config, part: asked.append((config.data, part)) or ImageSet(images, torch.arange(12) % 10),
    )
    monkeypatch.setattr(measure, "bound", bound)
    monkeypatch.setattr("mini_ddpm.runs.results.CHUNK", 2)
    runs.bound_of_test_images(shipped, 4, seed=0)
    assert asked == [("mnist", "test")]
    pixels, labels, noise, clips = zip(*seen, strict=True)
    assert pixels == labels == ([0, 3], [6, 9])
    assert noise[0] != noise[1]
    assert clips == (1.0, 1.0)


def test_digits_are_compared_with_those_trained_on_and_those_held_out(shipped, monkeypatch):
    sizes = []

    def spy(images, labels, reference, train, heldout):
        sizes.append((len(train), len(heldout)))
        return {}

    monkeypatch.setattr(measure, "evaluate_images", spy)
    runs.evaluate(replace(shipped, diffusion=replace(shipped.diffusion, steps=1)), 2, 0)
    assert sizes == [(4000, 1000)]


def test_a_damaged_file_of_terms_is_named(shipped, tmp_path, monkeypatch):
    def bound(process, model, part, bar):
        return Bound([1], torch.zeros(len(part)), *(torch.zeros(len(part), 1) for _ in range(3)))

    monkeypatch.setattr("mini_ddpm.runs.results.images_of", lambda *what: load("mnist-5k", "test"))
    monkeypatch.setattr(measure, "bound", bound)
    runs.bound_of_test_images(shipped, 4, 0, tmp_path / "terms.safetensors")
    rows, what = files.read_tensors(tmp_path / "terms.safetensors")
    rows.pop("terms")
    files.write_tensors(tmp_path / "terms.safetensors", rows, what)
    with pytest.raises(ValueError, match="damaged: remove it"):
        runs.bound_of_test_images(shipped, 4, 0, tmp_path / "terms.safetensors")


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="unknown loss 'foo': choose one of simple"):
        replace(TINY, loss="foo")


def test_the_standard_error_is_that_of_the_mean(shipped, monkeypatch):
    bits = torch.tensor([1.0, 2.0, 3.0, 6.0])
    monkeypatch.setattr(
        "mini_ddpm.runs.results.bound_of_test_images", lambda *a: Bound([2, 1], bits, torch.zeros(4, 2), None, None)
    )
    assert runs.bits_per_dim(shipped, 4, 0)["standard_error"] == pytest.approx(float(bits.std()) / 2)


def test_bits_are_those_of_the_prior_and_of_all_terms():
    assert Bound([1], torch.tensor([2.0]), torch.tensor([[1.0]]), None, None).bits_per_dim.tolist() == [3.0]


def test_a_classifier_guides_a_network_that_is_not_told_the_label(shipped):
    config = replace(shipped.config, sampling=SampleConfig("ancestral"))
    _, model = guided(replace(shipped, config=config, classifier=lambda x, t: None), torch.arange(3))
    assert model is shipped.model


def test_a_sheet_has_a_row_for_each_class(shipped):
    assert sheet_labels(shipped).reshape(10, 10).tolist() == [[k] * 10 for k in range(10)]
    assert runs.default_labels(shipped, 12).tolist() == [*range(10), 0, 1]


def test_a_seed_is_of_the_first_weights_too(tmp_path):
    first, second = (tiny_run(tmp_path / str(seed), seed=seed).state.model.conv_in.weight for seed in (0, 1))
    assert not torch.equal(first, second)


def test_a_row_of_the_log_is_the_mean_of_its_steps(tmp_path, monkeypatch):
    run, seen, steps = tiny_run(tmp_path, steps=10), [], runs.Run.steps
    monkeypatch.setattr(runs.Run, "steps", lambda run: (seen.append(step.loss) or step for step in steps(run)))
    assert runs.fit(run)
    assert runs.read_metrics(tmp_path)[0]["loss"] == pytest.approx(float(torch.stack(seen).mean()))


def test_the_clock_of_a_resumed_run_goes_on(tmp_path):
    run = tiny_run(tmp_path, steps=20)
    runs.fit(run, until=10)
    (row,) = runs.read_metrics(tmp_path)
    write_metrics(tmp_path, [{**row, "seconds": 1000.0}])
    assert runs.fit(run)
    assert runs.read_metrics(tmp_path)[-1]["seconds"] > 1000


def test_signals_are_handled_as_before_when_a_run_ends(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert runs.fit(tiny_run(tmp_path, steps=1))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_compiling_for_sampling_counts_the_pass_without_label(shipped, monkeypatch):
    calls, sizes = [], []
    monkeypatch.setattr(parallel, "compiled", lambda network, call: calls.append(call) or (network, ""))
    runs.compiled(shipped, 6)  # guidance 1.5
    calls[0](lambda x, t, y: sizes.append(len(x)))
    assert sizes == [12]


# --- figures of merit -----------------------------------------------------------------------------------


def colours(images):
    x = to_model(images).flatten(2)
    return torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1)


COLOURS = Extractor("colours", 6, colours)


def test_the_nearest_is_measured_from_each_image_to_all_others():
    black, white = -torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert nearest_distance(torch.cat([white, black, white]), black) == pytest.approx(2)


def test_held_out_digits_are_measured_against_the_training_digits():
    mnist, reference = load("mnist-5k"), measure.load_reference()
    known, held_out = (ImageSet(mnist.images[part], mnist.labels[part]) for part in (slice(20), slice(100, 300)))
    found = measure.evaluate_images(to_model(mnist.images[500:600]), None, reference, known, held_out)
    assert found["nearest_heldout"] == nearest_distance(to_model(held_out.images), to_model(known.images))


def test_real_images_are_moments_of_training_and_features_of_test_images(monkeypatch):
    some = some_cifar10()
    sets = {"train": ImageSet(some.images[:60], some.labels[:60]), "test": ImageSet(some.images[60:], some.labels[60:])}
    monkeypatch.setattr("mini_ddpm.measure.colour.load", lambda name, split="train": sets[split])
    real, expected = measure.real_images(COLOURS, 30), moments_of(colours(sets["train"].images))
    assert torch.equal(real.moments["real_features_sum"], expected["real_features_sum"])
    assert torch.equal(real.test, colours(sets["test"].images[:30]))
    fewer = real.measure(some.images[:20])["FD-colours of test images"]
    assert fewer == pytest.approx(frechet_distance(real.test[:20], real.moments))


def test_floors_compare_two_halves_and_add_the_noise_they_name(monkeypatch):
    some, seen = some_cifar10(), []
    monkeypatch.setattr("mini_ddpm.measure.colour.load", lambda name, split="train": some)
    spy = Extractor("colours", 6, lambda images: seen.append(images) or colours(images))
    half = measure.floors(spy, 20)["half of the training images against the other"]["FD-colours"]
    first, second = colours(some.images[:50]), colours(some.images[50:70])
    assert half == pytest.approx(frechet_distance(second, moments_of(first)))
    measure.floors(spy, 100)
    noise = (seen[-1].float() - some.images.float())[(some.images > 100) & (some.images < 156)]
    assert float(noise.std()) == pytest.approx(40, rel=0.05)


def test_the_judges_file_holds_moments_of_what_it_will_compute(tmp_path):
    torch.manual_seed(0)
    some, path = some_cifar10(), tmp_path / "judge.safetensors"
    colour.save_cifar_judge(judges.CifarJudge().eval(), some, some, path)
    kept, again = files.read_tensors(path)[0], extractors.as_extractor(extractors.load_cifar_judge(path), CPU)
    expected = moments_of(again.of(some.images))["real_features_sum"]
    torch.testing.assert_close(kept["real_features_sum"], expected, rtol=1e-7, atol=1e-7)


def test_the_reference_is_of_training_digits_and_its_floor_of_n_test_digits(monkeypatch):
    monkeypatch.setattr("mini_ddpm.measure.digits.N", 100)
    mnist, judge = load("mnist-5k"), judges.Judge().eval()
    known, held_out = (ImageSet(mnist.images[part], mnist.labels[part]) for part in (slice(300), slice(1000, 1200)))
    found, (features, said) = digits.refer(judge, known, held_out), judge_features(judge, to_model(held_out.images))
    moments = moments_of(judge_features(judge, to_model(known.images))[0])
    assert torch.equal(found.moments["real_features_sum"], moments["real_features_sum"])
    assert found.fd_test == pytest.approx(frechet_distance(features[:100], moments))
    assert found.spread_test == pytest.approx(measure.class_spread(features[:100], said[:100]))


def test_features_are_of_every_batch_and_without_a_graph():
    images, weight = some_cifar10().images[:6], torch.ones(6, requires_grad=True)
    weighted = Extractor("weighted", 6, lambda images: weight * colours(images))
    assert torch.equal(weighted.of(images, batch=4), colours(images))
    assert not weighted.of(images).requires_grad


def test_enlarging_keeps_the_range_of_grey_levels():
    ends = extractors.resized(BLACK_AND_WHITE.expand(2, 3, 32, 32))
    assert ends[:, 0, 0, 0].tolist() == pytest.approx([-127 / 128, 1.0], abs=1e-6)
    torch.manual_seed(0)
    edges = torch.randint(2, (1, 3, 32, 32), dtype=torch.uint8) * 255
    assert float(extractors.resized(edges).max()) <= 1


def test_a_digits_judge_is_trained_on_jittered_digits(monkeypatch):
    mnist, seen = load("mnist-5k"), []
    monkeypatch.setattr(judges, "jitter", lambda x: seen.append(len(x)) or x)
    list(judges.train_judge(judges.Judge(), ImageSet(mnist.images[:64], mnist.labels[:64]), epochs=1, batch_size=32))
    assert seen == [32, 32]


def test_jitter_turns_an_image_without_shearing_it(monkeypatch):
    monkeypatch.setattr(torch, "rand", torch.ones)
    x = to_model(load("mnist-5k").images[:3])
    turned = judges.jitter(x, rotation=90, scale=0, shift=0)
    torch.testing.assert_close(turned, x.rot90(1, (2, 3)), rtol=0, atol=1e-4)


def test_in_two_epochs_a_colour_judge_sees_each_image_as_it_is_and_mirrored(monkeypatch):
    seen, some = [], some_cifar10()
    monkeypatch.setattr(judges, "shifted", lambda x: seen.append({image.numpy().tobytes() for image in x}) or x)
    half = ImageSet(some.images[:50], some.labels[:50])
    list(judges.train_cifar_judge(judges.CifarJudge(), half, epochs=2, batch_size=50))
    for image in to_model(half.images):
        assert sum(image.numpy().tobytes() in epoch for epoch in seen) == 1


# --- data, files and pictures ---------------------------------------------------------------------------


def test_pixels_are_clamped_to_what_a_byte_holds():
    assert to_pixels(torch.tensor([-1.5, 1.5])).tolist() == [0, 255]


def test_cifar_10_is_read_colour_by_colour_with_the_papers_names(tmp_path, monkeypatch):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    monkeypatch.setenv("MINI_DDPM_DATA", str(tmp_path))
    pixels = (np.arange(3072) % 251).astype(np.uint8)
    labels = np.tile(np.arange(10, dtype=np.uint8), 1000)[:, None]
    records = np.concatenate([labels, np.tile(pixels, (10_000, 1))], axis=1)
    (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(records.tobytes())
    assert torch.equal(load("cifar10", "test").images[7].flatten(), torch.from_numpy(pixels))
    assert data.CIFAR10_CLASSES[2:6] == ("bird", "cat", "deer", "dog")


@pytest.mark.skipif(sys.platform == "win32", reason="there, neither modes nor replacing what is open")
def test_a_file_can_be_read_by_others_and_is_replaced_whole(tmp_path):
    path = tmp_path / "x.safetensors"
    files.write_tensors(path, {"a": torch.ones(1)}, {})
    assert path.stat().st_mode & 0o777 == 0o644
    before = path.read_bytes()
    with path.open("rb") as opened_before:
        files.write_tensors(path, {"a": torch.zeros(1)}, {})
        assert opened_before.read() == before != path.read_bytes()


def test_shards_of_a_longer_name_are_another_models(tmp_path):
    many = {f"w{k}": torch.ones(100_000) for k in range(12)}
    shards = files.write_shards(tmp_path / "mnist-5k.safetensors", many, {}, limit=1_500_000)
    files.write_shards(tmp_path / "mnist.safetensors", {"w": torch.ones(2)}, {})
    assert len(shards) > 1
    assert all(path.exists() for path in shards)
    assert files.shards_of(tmp_path / "mnist.safetensors") == []


def test_a_digest_knows_names():
    assert files.digest({"a": torch.ones(2)}) != files.digest({"b": torch.ones(2)})


def test_pictures_keep_colours_times_and_heights(tmp_path):
    red = torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert image_grid(red, 1).getpixel((8, 8)) == (255, 0, 0)
    save_animation([Image.new("L", (4, 4), 60 * k) for k in range(3)], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as animation:
        durations = [(animation.seek(k), animation.info["duration"])[1] for k in range(3)]
    assert durations[0] == durations[1] < durations[2]  # the last is held
    smooth = loss_curve(list(range(100)), [2.0] * 100, 1.0).axes[0].lines[1].get_ydata()
    assert smooth.tolist() == pytest.approx([2.0] * len(smooth))


def test_the_roll_is_centred_with_deviation_1():
    torch.manual_seed(0)
    x = swiss_roll(5000).x
    assert float(x.std()) == pytest.approx(1, abs=0.02)
    assert float(x.mean().abs()) < 1e-5
