"""Notebook 06: what it compares, counts and measures, held to cases whose answers are known."""

from itertools import combinations
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from torch import nn

from mini_ddpm.course import p06, seeds
from mini_ddpm.course.architecture import COLOURS, trace
from mini_ddpm.course.exercises import exercise
from mini_ddpm.data import load, to_model
from mini_ddpm.runs import open_run
from mini_ddpm.schedules import NoiseSchedule, linear_betas

SCHEDULE = NoiseSchedule.from_betas(linear_betas(1000))


@pytest.fixture(autouse=True)
def nothing_is_left_open(monkeypatch):
    shown = []
    monkeypatch.setattr(p06, "show", lambda figure, alt: shown.append((figure, alt)))
    yield shown
    plt.close("all")


class Middle(nn.Module):
    """A network whose middle holds what is asked of it: all pixels of a block of 4x4, or the upper left one alone."""

    classes = 10

    def __init__(self, channels):
        super().__init__()
        self.channels, self.middle_2, self.scale = channels, nn.Identity(), nn.Parameter(torch.zeros(()))

    def forward(self, x_t, t, y):
        self.middle_2(nn.functional.pixel_unshuffle(x_t, 4)[:, : self.channels])
        return self.scale * x_t


def test_the_same_numbers_pass_and_others_stop(capsys):
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    p06.same("x", x, x + 1e-6)
    assert capsys.readouterr().out == "x: same shape (2, 3), same numbers\n"
    with pytest.raises(AssertionError, match="off by up to"):
        p06.same("x", x, x + 1e-2)
    with pytest.raises(AssertionError, match=r"\(2, 3\), not \(3, 2\)"):
        p06.same("x", x, x.reshape(3, 2))


@pytest.mark.parametrize("channels", [16, 8, 1])
def test_what_can_be_read_off_a_middle_is_what_it_holds(channels):
    torch.manual_seed(0)
    x_t, t = 3 * torch.randn(40, 1, 28, 28), torch.full((40,), 500)
    assert seeds.readable(Middle(channels), x_t, t, t) == pytest.approx(channels / 16, abs=0.02)


def test_a_network_is_trained_from_every_seed_and_tested_on_other_digits():
    runs = seeds.learn(lambda: Middle(16), steps=2, n=8, seeds=(0, 1))
    assert runs.losses.shape == (2, 2)
    assert runs.at_times.shape == (2, len(seeds.TIMES))
    assert runs.weights == 1
    assert runs.losses[:, 0] == pytest.approx([1, 1], abs=0.05)  # it answers 0 at first
    assert runs.losses[0, 0] != runs.losses[1, 0]
    assert runs.readable == pytest.approx([1, 1])
    assert runs.at_first == pytest.approx([1, 1])
    assert runs.held_out == pytest.approx([1, 1], abs=0.05)
    assert runs.untrained == pytest.approx(np.ones((2, len(seeds.TIMES))), abs=0.1)
    assert seeds.spread(np.array([0.1, 0.2, 0.6])) == "0.300 (0.100 to 0.600)"
    assert seeds.spread(np.array([11, 13]), 0) == "12 (11 to 13)"


def test_the_rate_is_that_of_training_alone():
    slow, fast = (seeds.learn(lambda: Middle(16), steps=3, n=8, seeds=(0,), learning_rate=rate) for rate in (1e-3, 0.1))
    assert slow.losses[0, 0] == fast.losses[0, 0]
    assert fast.losses[0, -1] < slow.losses[0, -1]


def test_what_is_readable_at_first_is_read_before_training():
    class Grows(Middle):
        def forward(self, x_t, t, y):
            self.middle_2(self.scale * nn.functional.pixel_unshuffle(x_t, 4))  # nothing, until the scale moves
            return self.scale * x_t

    runs = seeds.learn(lambda: Grows(16), steps=2, n=8, seeds=(0,))
    assert runs.at_first[0] < 0.5
    assert runs.readable == pytest.approx([1])


def test_the_loss_over_all_times_is_asked_of_the_held_out_digits(monkeypatch):
    played = []
    monkeypatch.setattr(seeds, "mean_loss", lambda process, model, x_0, rounds: played.append((x_0, rounds)) or 0.5)
    assert seeds.learn(lambda: Middle(16), steps=1, n=8, seeds=(0,)).held_out.tolist() == [0.5]
    ((x_0, rounds),) = played
    assert torch.equal(x_0, to_model(load("mnist-5k", "test").images[:8]))
    assert rounds == seeds.ROUNDS


def test_a_seed_decides_weights_and_noise_and_the_test_is_on_held_out_digits(monkeypatch):
    made, tested = [], []
    losses = seeds.loss_per_t
    monkeypatch.setattr(seeds, "loss_per_t", lambda *given: tested.append(given[3]) or losses(*given))

    def make():
        made.append(float(torch.rand(())))
        return Middle(16)

    first, again = (seeds.learn(make, steps=2, n=8, seeds=(0, 1)) for _ in range(2))
    assert made[:2] == made[2:]
    assert made[0] != made[1]
    np.testing.assert_array_equal(first.losses, again.losses)
    assert torch.equal(tested[0], to_model(load("mnist-5k", "test").images[:8]))


def test_noise_is_mixed_in_at_one_time():
    torch.manual_seed(0)
    white = torch.full((50, 1, 28, 28), 255, dtype=torch.uint8)
    x_t, bar = seeds.noisy(white, SCHEDULE, 200), SCHEDULE.at(200)
    assert x_t.mean().item() == pytest.approx(float(bar.sqrt()), abs=0.02)
    assert x_t.std().item() == pytest.approx(float((1 - bar).sqrt()), abs=0.02)


def test_a_field_has_a_side():
    field = torch.zeros(9, 9)
    field[2:7, 3] = 1
    assert p06.side(field) == 5


def test_norms_are_taken_out_of_a_copy():
    network = nn.Sequential(nn.Conv2d(1, 8, 1), nn.GroupNorm(4, 8))
    plain, x = p06.without_norms(network), torch.randn(1, 1, 4, 4)
    assert torch.equal(plain(x), network[0](x))
    assert not torch.equal(network(x), network[0](x))


def test_influence_of_a_network_that_looks_at_one_neighbour():
    """It answers with the left neighbour; the guessed image is then sqrt(a) x - sqrt(1 - a) neighbour."""
    share, plain, slope = p06.influence(lambda x, t, y: x.roll(1, dims=-1), SCHEDULE, 200, n=3)
    a = float(SCHEDULE.at(200))
    assert slope == pytest.approx(1, rel=1e-5)  # the root of a + (1 - a)
    assert share[14, 14].item() == pytest.approx(a, rel=1e-5)
    assert share[14, 13].item() == pytest.approx(1 - a, rel=1e-5)
    assert share.sum().item() == pytest.approx(1)
    assert plain[14, 14].item() == pytest.approx(a**0.5 / (a**0.5 + (1 - a) ** 0.5), rel=1e-5)
    assert plain.sum().item() == pytest.approx(1)
    noise, *_ = p06.influence(lambda x, t, y: x.roll(1, dims=-1), SCHEDULE, 200, n=3, of="noise")
    assert noise[14, 14].item() == pytest.approx(1 - a, rel=1e-5)
    assert noise[14, 13].item() == pytest.approx(a, rel=1e-5)


def test_influence_is_asked_with_the_label_or_without():
    asked = []

    class Listens(nn.Module):
        classes = 10

        def forward(self, x, t, y):
            asked.append(y.tolist())
            return x

    p06.influence(Listens(), SCHEDULE, 200, n=3)
    p06.influence(Listens(), SCHEDULE, 200, told=False, n=3)
    assert asked == [load("mnist-5k", "test").labels[:3].tolist(), [10, 10, 10]]


def test_a_network_that_knows_the_velocity_guesses_the_image_and_the_noise(nothing_is_left_open, capsys):
    image = load("mnist-5k", "test").images[:1]
    torch.manual_seed(0)
    x_0, eps = to_model(image), torch.randn(image.shape)

    def knows(x_t, t, y):
        a = SCHEDULE.at(t).float()
        return a.sqrt() * eps - (1 - a).sqrt() * x_0

    torch.manual_seed(0)
    p06.draw_guesses(knows, SCHEDULE, image, torch.tensor([7]), (300, 800))
    assert capsys.readouterr().out.count("squared error of the noise 0.00, of the image 0.00") == 2
    ((figure, _),) = nothing_is_left_open
    for row in (figure.axes[:5], figure.axes[5:]):
        _, noise, off, guess, true_image = (axes.images[0].get_array() for axes in row)
        np.testing.assert_allclose(noise, eps[0, 0], atol=1e-4)
        np.testing.assert_allclose(off, 0, atol=1e-4)
        np.testing.assert_allclose(guess, true_image, atol=1e-4)
        np.testing.assert_allclose(true_image, x_0[0, 0])


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_near_miss_of_similar_is_known_in_any_precision(precision):
    one = exercise("06.1")

    def near(d, k):
        return (10_000.0 ** (-torch.arange(k, dtype=precision) / k) * d).cos().mean()

    assert "from 0 to 1 in k - 1 steps" in one.check(near).words


def test_blocks_have_four_times_the_weights_and_the_same_work():
    parts = trace(open_run("mnist", "cpu").model, torch.randn(1, 1, 28, 28), torch.tensor([500]))
    work = {name: part.gflop for name, part in zip(p06.NAMES, parts, strict=True)}
    convolutions = 2 * 5_820_416e-9  # the layer for the vector of the time adds a seven-hundredth
    assert [work["up_1"], work["up_4"]] == pytest.approx([convolutions, convolutions], rel=2e-3)
    assert exercise("06.6").check(4, 1).words == "Exactly: 4, 1."


def test_the_way_through_the_network_is_that_of_the_package():
    unet = open_run("mnist", "cpu").model
    down, up = unet.down, unet.up
    blocks = {"down_1": down[0].stages[0], "down_2": down[1].stages[0]}
    blocks |= {"up_1": up[0].stages[0], "up_2": up[0].stages[1], "up_3": up[1].stages[0], "up_4": up[1].stages[1]}
    blocks |= {name: getattr(unet, name) for name in ("conv_in", "middle_1", "middle_2", "norm_out", "conv_out")}
    net = SimpleNamespace(**blocks, shrink=lambda h: down[0].resample(h, None), grow=up[0].resample.conv)
    x_t, t = torch.randn(2, 1, 28, 28), torch.tensor([10, 800])
    with torch.no_grad():
        ours = exercise("06.4").answer(net, x_t, unet.embed(t, None))
        assert torch.allclose(ours, unet(x_t, t), atol=1e-5)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_strokes_have_the_width_that_they_were_drawn_with(width):
    images = -torch.ones(1, 1, 200, 200)
    images[..., :, 50 : 50 + width] = 1
    assert p06.stroke_width(images) == pytest.approx(width, rel=0.03)


def test_the_judge_reads_real_digits_of_any_side_and_no_others():
    digits = load("mnist-5k", "test")
    x_0, y = to_model(digits.images[::10]), digits.labels[::10]
    for edge in (-4, 0, 6, 14):  # a digit fits into 20x20
        assert p06.share_read(nn.functional.pad(x_0, [edge] * 4, value=-1.0), y) > 0.95
    assert p06.share_read(x_0, (y + 1) % 10) < 0.05


def test_clocks_that_hardly_move_within_a_pair_are_grey(nothing_is_left_open):
    angles = {1: [0.0, 0.0], 2: [1.0, 0.1]}
    hands = {t: torch.tensor(a) for t, a in angles.items()}
    p06.draw_clocks({t: torch.cat([a.sin(), a.cos()]) for t, a in hands.items()})
    ((figure, _),) = nothing_is_left_open
    assert [line.get_color() for line in figure.axes[0].lines] == [p06.NOISY, p06.OTHER]


def test_the_shipped_network_has_the_parts_that_the_page_names():
    unet = open_run("mnist", "cpu").model
    parts = trace(unet, torch.randn(1, 1, 28, 28), torch.tensor([500]))
    assert len(parts) == len(p06.NAMES)
    sides = dict(zip(p06.NAMES, (part.shape[1] for part in parts), strict=True))
    assert (sides["down_1"], sides["shrink"], sides["up_2"], sides["grow"], sides["up_4"]) == (14, 7, 7, 14, 14)
    joined = {
        name: p06.NAMES[[one.name for one in parts].index(part.skip_from)]
        for name, part in zip(p06.NAMES, parts, strict=True)
        if part.skip_from
    }
    assert joined == {"up_1": "down_2", "up_2": "shrink", "up_3": "down_1", "up_4": "conv_in"}


def test_parts_of_the_diagrams_have_colours_that_can_be_told_apart():
    for one, other in combinations(COLOURS.values(), 2):
        assert np.linalg.norm(np.subtract(to_rgb(one), to_rgb(other))) > 0.25
