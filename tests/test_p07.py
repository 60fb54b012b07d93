"""Notebook 07: its floors against losses measured in another way, and its folder of pictures."""

from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import pytest
import torch

import notebooks
from mini_ddpm.course import p05, p07
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.exercises.steps import Line
from mini_ddpm.course.figures import plain_ticks
from mini_ddpm.course.stored import stored
from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.data import folder
from mini_ddpm.diffusion import Diffusion, predict_v
from mini_ddpm.losses import simple_loss
from mini_ddpm.runs.presets import preset
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.unet import UNet

PROCESS = Diffusion(NoiseSchedule.from_betas(linear_betas(1000)), clip=None)
PAGE = notebooks.FOLDER / "07_training.ipynb"
VELOCITY = replace(PROCESS, parameterization=predict_v)


def blank(x_t, t):
    return torch.zeros_like(x_t)


def test_the_distance_from_the_best_network_is_the_loss_less_the_floor():
    torch.manual_seed(0)
    x_0, best = TWO_PEAKS.draw(200_000).x.float(), p07.best_on_peaks(PROCESS)
    times = [1, 50, 200]
    above = p07.distance(PROCESS, blank, best, x_0, times)
    assert above.dtype == torch.float32
    floor = torch.tensor([p05.floor(PROCESS.schedule.at(time))[0] for time in times])
    assert (floor + above).tolist() == pytest.approx([1, 1, 1], abs=0.01)  # of the answer 0
    assert p07.distance(PROCESS, best, best, x_0[:10], times).max() == 0


def test_who_knows_a_finite_set_answers_with_its_mean_image():
    """One image is known at every t; of two, noise that hides everything leaves their mean."""
    torch.manual_seed(0)
    two, eps = torch.randn(2, 1, 4, 4), torch.randn(6, 1, 4, 4)
    for process in (PROCESS, VELOCITY):
        one = p07.perfect(process, two[:1])
        t = torch.tensor([1, 2, 30, 400, 999, 1000])
        assert simple_loss(process, one, two[:1].expand(6, -1, -1, -1), t, eps).max() < 1e-6
    blind = p07.perfect(VELOCITY, two)(eps, torch.full((6,), 1000))
    assert blind.shape == eps.shape
    expected = VELOCITY.schedule.at(1000).sqrt() * eps - two.mean(0)
    assert torch.allclose(blind.mean(0), expected.mean(0).float(), atol=0.1)


def test_who_is_told_the_label_knows_more():
    torch.manual_seed(0)
    x_0, y = torch.randn(6, 1, 4, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    labelled, alone = p07.perfect(VELOCITY, x_0, y), p07.perfect(VELOCITY, x_0)
    x_t, t = torch.randn(6, 1, 4, 4), torch.full((6,), 900)
    answers = labelled(x_t, t, y=y)
    for label in range(3):
        those = p07.perfect(VELOCITY, x_0[y == label])
        assert torch.allclose(answers[y == label], those(x_t[y == label], t[y == label]))
    torch.manual_seed(1)
    told = p07.mean_loss(VELOCITY, partial(labelled, y=y.repeat(300)), x_0, rounds=300)
    torch.manual_seed(1)
    assert told < p07.mean_loss(VELOCITY, alone, x_0, rounds=300)


def test_the_mean_loss_is_over_all_times():
    seen = []
    torch.manual_seed(0)
    x_0 = torch.ones(20, 1, 2, 2)
    loss = p07.mean_loss(PROCESS, lambda x_t, t: seen.append(t) or blank(x_t, t), x_0, rounds=50)
    assert seen[0].unique().tolist() == list(range(1, 1001))
    assert (seen[0].diff() < 0).any()  # not in the order of the images
    assert loss == pytest.approx(1, abs=0.1)


def test_the_loss_of_each_image_is_a_mean_over_its_own_rounds():
    torch.manual_seed(0)
    x_0 = torch.tensor([1.0, 2.0, 3.0])[:, None, None, None].expand(3, 1, 8, 8)

    def squares(x_t, t):  # at t = T the velocity is the image, turned around
        return torch.zeros_like(x_t)

    late = replace(VELOCITY, schedule=NoiseSchedule(torch.tensor([1.0, 1e-6], dtype=torch.float64)))
    assert p07.loss_of_each(late, squares, x_0, rounds=4).tolist() == pytest.approx([1, 4, 9], rel=0.02)


def test_the_luck_of_a_difference_is_the_spread_of_many_such_differences():
    torch.manual_seed(0)
    first, second = torch.randn(2000, 40), 3 * torch.randn(2000, 10)
    apart = (first.mean(1) - second.mean(1)).std()
    told = torch.tensor([p07.luck(*pair) for pair in zip(first, second, strict=True)])
    assert float(told.square().mean().sqrt()) == pytest.approx(float(apart), rel=0.05)
    assert p07.beside(torch.tensor([1.0, 3.0]), torch.tensor([5.0, 7.0])).split() == [
        "2.0000",
        "6.0000",
        "+4.0000",
        "1.4142",
    ]


@pytest.mark.parametrize(("growth", "least", "most"), [(None, 3.0, 3.17), (0.999 / 0.9, 7.0, 7.28)])
def test_the_longest_steps_of_adam_are_those_that_the_page_names(growth, least, most):
    """After one spike, and while gradients grow: in learning rates, after many small gradients."""
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=1.0)
    gradients = [1e-9 * (-1) ** k for k in range(4000)] + ([1.0] if growth is None else [])
    gradients += [] if growth is None else [1e-9 * growth**k for k in range(200)]
    longest = 0.0
    for gradient in gradients:
        before, weight.grad = weight.item(), torch.tensor([gradient], dtype=torch.float64)
        adam.param_groups[0]["eps"] = 0.0
        adam.step()
        longest = max(longest, abs(weight.item() - before))
    assert least < longest < most


def test_everyone_is_asked_with_the_same_noise():
    x_0 = torch.randn(50, 1, 2, 2)
    first, second = (p07.per_t(PROCESS, blank, x_0, [5, 500]) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, p07.of_answer_0(PROCESS, x_0, [5, 500]))
    squares = p07.of_answer_0(VELOCITY, torch.full((4000, 1, 1, 1), 3.0), [1000])
    assert float(squares) == pytest.approx(9, rel=0.05)  # at T the velocity is the image, turned around


def test_gaps_are_medians_of_the_nearest():
    known = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    cloud = torch.tensor([[1.0, 0.0], [0.0, 3.0], [10.0, 2.0]])[:, :, None, None]
    assert p07.gaps([cloud, cloud + 0], known[:, :, None, None]).tolist() == [2, 2]


def test_pictures_are_made_once_and_a_folder_of_ones_own_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    own = folder(p07.make_pictures(tmp_path / "photos", each=12), 16)
    assert own.names == ("discs", "squares")
    assert len(own) == 24
    corner, middle = own.images[..., 0, 0].float().mean(), own.images[..., 8, 8].float().mean()
    assert middle > corner + 80
    (tmp_path / "mine").mkdir()
    assert p07.make_pictures(tmp_path / "mine") == tmp_path / "mine"
    assert not [*(tmp_path / "mine").iterdir()]


def test_a_step_of_training_is_adams_on_a_clipped_gradient():
    """In its first step Adam moves each weight by the rate; then the average goes a tenth of that way."""
    given = exercise("07.1").cases["one step"][0]
    network, average, before = Line(), Line(), Line()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05, weight_decay=0)
    exercise("07.1").answer(network, average, optimizer, *given)
    for weight, mean, old in zip(network.parameters(), average.parameters(), before.parameters(), strict=True):
        assert abs(float((weight - old).detach())) == pytest.approx(0.05, rel=1e-3)
        assert float((mean - old).detach()) == pytest.approx(float((weight - old).detach()) / 10, rel=1e-3)


def test_the_second_batch_of_three_has_a_gradient_that_is_clipped():
    x_0, t, eps, bar = exercise("07.1").cases["three steps, long gradients in the second"][1]
    network = Line()
    (eps - network(bar.sqrt() * x_0 + (1 - bar).sqrt() * eps, t)).square().mean().backward()
    assert torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0) > 10


def test_a_fault_of_a_step_that_no_one_foresaw_is_told_where_it_shows():
    def half(network, average, optimizer, x_0, t, eps, bar):
        raise RuntimeError("no")

    assert exercise("07.1").check(half).words == "one step: RuntimeError: no"


@pytest.mark.parametrize("ticks", [(0.011, 0.9), (0.1, 4)])
def test_a_logarithmic_axis_has_plain_numbers_within_its_limits(ticks):
    figure, axes = plt.subplots()
    axes.plot([0, 1], ticks)
    axes.set(yscale="log", ylim=ticks)
    plain_ticks(axes)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[-1] == f"{max(tick for tick in (0.5, 1, 2) if tick <= ticks[1]):g}"
    assert axes.get_ylim() == ticks
    plt.close(figure)


def test_the_plain_network_has_a_third_of_the_weights_as_its_page_says():
    names = {"nn": torch.nn}
    exec(next(cell.source for cell in notebooks.code_cells(PAGE) if cell.source.startswith("class Plain")), names)
    unet = UNet(preset("mnist-laptop").unet)
    plain, whole = (sum(weight.numel() for weight in network.parameters()) for network in (names["Plain"](), unet))
    assert whole / plain == pytest.approx(3, abs=0.2)


def test_two_choices_of_make_train_are_worth_what_the_page_says():
    rows = [row for row in stored("recipe")["rows"] if row["way"].startswith("ddim")]
    far = {name: [row["fd_judge"] for row in rows if row["choice"] == name] for name in ("both", "the preset")}
    ratios = [without / whole for without, whole in zip(far["both"], far["the preset"], strict=True)]
    assert f"{min(ratios):.1f} to {max(ratios):.1f} times as far" in "\n".join(
        cell.source for cell in notebooks.read(PAGE).cells
    )
    assert len(ratios) == 3
