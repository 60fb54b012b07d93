"""Networks, chains and samplers that a reader brings along: the contracts, and what is said where they are not kept."""

import copy
import doctest
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from mini_ddpm import contracts, runs
from mini_ddpm.classifier import Classifier, train_classifier
from mini_ddpm.data import ImageSet, load
from mini_ddpm.diffusion import Diffusion, fixed_small, predict_v
from mini_ddpm.guidance import classifier_free
from mini_ddpm.losses import hybrid_loss, simple_loss, vlb_loss
from mini_ddpm.measure.likelihood import bound
from mini_ddpm.runs.presets import RunConfig, preset
from mini_ddpm.runs.settings import changed
from mini_ddpm.sampling import Step, ancestral_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas
from mini_ddpm.training import TrainConfig, TrainState, load_checkpoint, save_checkpoint, train

PROCESS = Diffusion(NoiseSchedule.from_betas(cosine_betas(50)), predict_v, fixed_small, steps=3)
CONFIG = TrainConfig(steps=6, batch_size=8, learning_rate=1e-2, warmup_steps=0)
DIGITS = load("mnist-5k")


class Plain(nn.Module):
    """Without labels; with BatchNorm, a mask, an infinite constant, a weight of two names, and some untrained."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(1, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3, 1, 1)
        self.frozen, self.idle = nn.Conv2d(4, 4, 1).requires_grad_(False), nn.Linear(2, 2)
        self.again = self.first
        self.register_buffer("endless", torch.tensor([0.0, float("-inf")]))
        self.register_buffer("mask", torch.tensor([True, False]))

    def forward(self, x_t, t):
        h = self.norm(self.first(x_t) + t[:, None, None, None] / 50)
        return self.last(torch.relu(self.frozen(h)))


class Labelled(Plain):
    classes = 10

    def __init__(self):
        super().__init__()
        self.label = nn.Embedding(11, 4)

    def forward(self, x_t, t, y):
        return super().forward(x_t, t) + self.label(y).mean(dim=1)[:, None, None, None]


def steps_of(state, config=CONFIG, data=DIGITS, loss=simple_loss):
    return [step.step for step in train(PROCESS, state, data, loss, config)]


def test_the_examples_of_the_contracts_run():
    failed, tried = doctest.testmod(contracts)
    assert tried > 20
    assert not failed


def test_a_plain_module_is_trained_drawn_from_and_measured():
    torch.manual_seed(0)
    state = TrainState(Plain(), CONFIG)
    assert steps_of(state) == [1, 2, 3, 4, 5, 6]
    *_, last = sample(ancestral_step, PROCESS, state.ema, torch.randn(2, 1, 28, 28))
    assert last.x_t.shape == (2, 1, 28, 28)
    assert bound(PROCESS, state.ema, DIGITS.images[:2]).bits_per_dim.isfinite().all()
    with pytest.raises(ValueError, match="made without labels"):
        classifier_free(state.ema, torch.tensor([3, 3]), 2.0)


def test_a_network_with_labels_is_told_them_and_guided():
    told = []

    class Listening(Labelled):
        def forward(self, x_t, t, y):
            told.append(y)
            return super().forward(x_t, t, y)

    torch.manual_seed(0)
    state = TrainState(Listening(), replace(CONFIG, label_dropout=0.5))
    steps_of(state, replace(CONFIG, label_dropout=0.5))
    assert set(torch.cat(told).tolist()) > {10}
    out = classifier_free(state.ema, torch.tensor([3, 3]), 2.0)(torch.randn(2, 1, 28, 28), torch.tensor([5, 9]))
    assert out.shape == (2, 1, 28, 28)
    assert told[-1].tolist() == [3, 3, 10, 10]


def test_labels_beyond_the_classes_are_refused_before_a_step():
    few = type("Few", (Labelled,), {"classes": 9})
    with pytest.raises(ValueError, match="labels must be from 0 to 8, not 0 to 9"):
        steps_of(TrainState(few(), CONFIG))


class Tables(nn.Module):
    """A vector for each time and each label; it drops numbers while it is trained, and counts batches."""

    classes = 10

    def __init__(self, times=51, labels=11):
        super().__init__()
        self.time, self.label = nn.Embedding(times, 1), nn.Embedding(labels, 1)
        self.norm, self.dropout = nn.BatchNorm2d(1), nn.Dropout(0.5)

    def forward(self, x_t, t, y):
        return self.dropout(self.norm(x_t)) + (self.time(t) + self.label(y))[:, :, None, None]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((50, 11), "Tables fails at t = T = 50 .*: times run from 1 to T, so a table of them needs 51 rows"),
        ((51, 10), "Tables fails at the label 10, which means no label .*: a table of labels needs 11 rows"),
    ],
)
def test_a_table_that_is_too_short_is_named_before_a_step(sizes, words):
    state = TrainState(Tables(*sizes), CONFIG)
    with pytest.raises(ValueError, match=words):
        steps_of(state)
    assert state.step == 0


def test_a_network_that_is_asked_first_is_trained_as_if_it_had_not_been(monkeypatch):
    drawn, batch = [], ImageSet.batch
    monkeypatch.setattr(ImageSet, "batch", lambda data, indices: drawn.append(indices) or batch(data, indices))
    state = TrainState(Tables(), CONFIG)
    torch.manual_seed(0)
    next(train(PROCESS, state, replace(DIGITS, flip=True), simple_loss, CONFIG))
    torch.manual_seed(0)
    assert torch.equal(drawn[-1], torch.randint(len(DIGITS), (CONFIG.batch_size,)))
    assert int(state.model.norm.num_batches_tracked) == int(state.ema.norm.num_batches_tracked) == 1


# --- the average ----------------------------------------------------------------------------------------


def test_the_average_covers_statistics_counts_and_constants():
    torch.manual_seed(0)
    state = TrainState(Plain(), CONFIG)
    mean, count = state.ema.norm.running_mean.clone(), 0
    for step in train(PROCESS, state, DIGITS, simple_loss, CONFIG):
        decay, count = (1 + step.step) / (10 + step.step), count + 1
        mean = decay * mean + (1 - decay) * state.model.norm.running_mean
        torch.testing.assert_close(state.ema.norm.running_mean, mean)
        assert int(state.ema.norm.num_batches_tracked) == count
        assert state.ema.endless.tolist() == [0, float("-inf")]
        assert state.ema.norm.running_mean.grad_fn is None


def test_the_averaged_network_predicts_as_it_would_with_statistics_of_its_own():
    """Against statistics taken anew with the averaged weights; those of the beginning are far off."""
    torch.manual_seed(0)
    config = replace(CONFIG, steps=150, batch_size=32)
    start, state = Plain(), TrainState(Plain(), config)
    steps_of(state, config)
    anew, old = copy.deepcopy(state.ema), copy.deepcopy(state.ema)
    anew.norm.reset_running_stats()
    anew.norm.momentum = None  # the mean over all batches
    old.norm.running_mean, old.norm.running_var = start.norm.running_mean, start.norm.running_var

    def loss(network):
        torch.manual_seed(1)
        x_0, _ = DIGITS.batch(torch.arange(500))
        with torch.no_grad():
            return float(simple_loss(PROCESS, network, x_0, torch.randint(1, 51, (500,)), torch.randn_like(x_0)).mean())

    anew.train()
    loss(anew)
    assert loss(state.ema) == pytest.approx(loss(anew.eval()), rel=0.05)
    assert loss(old) > 1.2 * loss(state.ema)


@pytest.mark.parametrize("kind", [Plain, Labelled])
def test_an_own_network_resumes_bit_for_bit(tmp_path, kind):
    torch.manual_seed(0)
    whole = TrainState(kind(), CONFIG)
    for step in train(PROCESS, whole, DIGITS, simple_loss, CONFIG):
        if step.step == 3:
            save_checkpoint(tmp_path / "own.safetensors", whole, {})
    resumed = TrainState(kind(), CONFIG)
    load_checkpoint(tmp_path / "own.safetensors", resumed)
    assert steps_of(resumed) == [4, 5, 6]
    for part in ("model", "ema"):
        expected, found = getattr(whole, part).state_dict(), getattr(resumed, part).state_dict()
        assert all(torch.equal(expected[name], found[name]) for name in expected)


# --- what is said ---------------------------------------------------------------------------------------


def own(forward=None, **members):
    return type("Own", (Plain,), members | ({"forward": forward} if forward else {}))()


REFUSED = {
    "a module without forward": (lambda: own(nn.Module.forward), "it has no forward"),
    "x_t alone": (lambda: own(lambda self, x_t: x_t), "forward(x_t, t), or forward(x_t, t, y)"),
    "one more": (lambda: own(lambda self, x_t, t, mask: x_t), "missing a required argument: 'mask'"),
    "labels of another name": (lambda: own(lambda self, x_t, t, label: x_t, classes=3), "argument: 'label'"),
    "no place for labels": (lambda: own(lambda self, x_t, t: x_t, classes=3), "unexpected keyword argument 'y'"),
    "labels, how many?": (lambda: own(lambda self, x_t, t, y: x_t), "how many classes there are"),
    "classes by name": (lambda: own(classes=("cat", "dog")), "not ('cat', 'dog')"),
    "True classes": (lambda: own(classes=True), "Own.classes must be the number of labels"),
    "-1 classes": (lambda: own(classes=-1), "not -1"),
    "a sequence": (lambda: nn.Sequential(nn.Conv2d(1, 1, 1)), "Sequential must have forward(x_t, t)"),
    "a function": (lambda: lambda x_t, t: x_t, "must be an nn.Module, not function"),
    "frozen": (lambda: Plain().requires_grad_(False), "none of its parameters asks for gradients"),
    "no parameters": (lambda: nn.Identity(), "Identity has nothing to train"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_network_that_does_not_keep_the_contract_is_refused_before_any_work(case):
    made, message = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        TrainState(made(), CONFIG)
    assert len(str(caught.value).splitlines()) == 1


OUTPUTS = {
    "no channels": (lambda x: x[:, 0], "not (2, 28, 28)"),
    "three channels": (lambda x: x.expand(-1, 3, -1, -1), "not (2, 3, 28, 28)"),
    "one image": (lambda x: x[:1], "not (1, 1, 28, 28)"),
    "half the size": (lambda x: x[..., ::2, ::2], "not (2, 1, 14, 14)"),
    "two things": (lambda x: (x, x), "not tuple"),
}


@pytest.mark.parametrize("case", OUTPUTS)
@pytest.mark.parametrize("loss", [simple_loss, vlb_loss, hybrid_loss])
def test_an_output_of_another_shape_is_named_instead_of_broadcast(case, loss):
    change, message = OUTPUTS[case]
    model, x, t = (lambda x, t: change(x)), torch.zeros(2, 1, 28, 28), torch.tensor([3, 9])
    for use in (lambda: loss(PROCESS, model, x, t, x), lambda: ancestral_step(PROCESS, model, x, 9, 4)):
        with pytest.raises(ValueError, match=r"shape of x_t, \(2, 1, 28, 28\), or twice its .*" + re.escape(message)):
            use()


# --- images that are not square -------------------------------------------------------------------------


def test_a_network_for_images_that_are_not_square_trains_draws_and_is_read_again(tmp_path):
    tiny = preset("tiny")
    unet = replace(tiny.unet, image_size=(16, 28), attention=(4,))
    config = replace(tiny, unet=unet, training=replace(tiny.training, steps=2))
    assert (unet.size, unet.resolutions, tiny.unet.size) == ((16, 28), [8, 4], (28, 28))
    again = runs.RunConfig.from_json(config.to_json())
    assert again == config
    assert isinstance(runs.RunConfig.from_json(tiny.to_json()).unet.image_size, int)
    state = config.new_state(torch.device("cpu"))
    data = ImageSet(DIGITS.images[:, :, :16], DIGITS.labels)
    assert [step.step for step in train(config.diffusion, state, data, simple_loss, config.training)] == [1, 2]
    *_, last = sample(ancestral_step, config.diffusion, state.ema, torch.randn(2, 1, 16, 28))
    assert last.x_t.shape == (2, 1, 16, 28)
    classifier = Classifier(unet, classes=10)
    assert classifier(last.x_t, torch.tensor([3, 9])).shape == (2, 10)
    for step in train_classifier(classifier, data, config.diffusion.schedule, 1, 4):
        assert step.loss.isfinite()


@pytest.mark.parametrize("size", [(28, 30), (30, 28), (28,), (28, 28, 28), (0, 28), (28, 28.0), True, "28"])
def test_sizes_that_no_network_has_are_refused(size):
    with pytest.raises(ValueError, match="image_size"):
        replace(preset("tiny").unet, image_size=size)


def test_an_optional_label_does_not_make_a_network_one_of_labels():
    contracts.check_network(own(lambda self, x_t, t, y=None: x_t))


@pytest.mark.parametrize("chain", [[], [0, 100], [100, 100, 0], [100], [100.0, 0]], ids=str)
def test_times_given_to_sample_are_looked_at(chain):
    diffusion = Diffusion(NoiseSchedule.from_betas(cosine_betas(100)))
    with pytest.raises(ValueError, match="timesteps must be a list of whole numbers that fall to 0"):
        next(sample(ancestral_step, diffusion, lambda x_t, t: x_t, torch.zeros(1, 1, 2, 2), chain))


@pytest.mark.parametrize(
    ("returned", "message"),
    [(lambda x_t, s: x_t, "not a Tensor"), (lambda x_t, s: Step(s + 1, x_t, x_t), "not one to time")],
)
def test_a_step_that_returns_no_step_is_named(returned, message):
    diffusion = Diffusion(NoiseSchedule.from_betas(cosine_betas(20)), steps=2)
    with pytest.raises(TypeError, match=message):
        next(sample(lambda d, m, x_t, t, s: returned(x_t, s), diffusion, None, torch.zeros(1, 1, 4, 4)))


def test_guidance_without_label_dropout_is_refused_where_it_is_chosen():
    """A run of an earlier version may have it, and still opens."""
    with pytest.raises(ValueError, match="take guidance 1, or train with"):
        changed(preset("mnist-laptop"), ["training.label_dropout=0"])
    plain = changed(preset("mnist-laptop"), ["training.label_dropout=0", "sampling.guidance=1"])
    with pytest.raises(ValueError, match="take guidance 1, or train with"):
        changed(plain, ["sampling.guidance=2"])
    old = replace(plain, sampling=preset("mnist-laptop").sampling)
    assert RunConfig.from_json(old.to_json()) == old
