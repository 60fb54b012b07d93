"""What the notebooks share: small data sets with exact answers, the live figure, the network's parts by hooks."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch
from conftest import Place
from oracles import gaussian_denoiser

from mini_ddpm.course import budget, figures, sheets
from mini_ddpm.course.architecture import diagram, trace
from mini_ddpm.course.clinic import blank
from mini_ddpm.course.live import Live
from mini_ddpm.course.toys import Mixture, PointNet, Points, best_model
from mini_ddpm.diffusion import Diffusion, predict_v
from mini_ddpm.losses import simple_loss
from mini_ddpm.measure import loss_per_t
from mini_ddpm.sampling import ancestral_step, sample
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.training import TrainConfig, TrainState, TrainStep, train
from mini_ddpm.unet import UNet, UNetConfig

DIFFUSION = Diffusion(NoiseSchedule.from_betas(linear_betas(100)), clip=None)
TWO = Mixture(torch.tensor([0.3, 0.7]), torch.tensor([[-1.0], [0.8]]), variance=0.04)


def test_budget_follows_the_environment(monkeypatch):
    monkeypatch.setenv("MINI_DDPM_FAST", "1")
    assert budget(full=1000, fast=3) == 3
    monkeypatch.delenv("MINI_DDPM_FAST")
    assert budget(full=1000, fast=3) == 1000


# --- exact answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [1, 20, 60, 100])
def test_mean_of_a_mixture_is_the_integral(t):
    """Bayes on a fine grid of x_0: an independent road to E[x_0 | x_t]."""
    alpha_bar = DIFFUSION.schedule.at(t)
    grid = torch.linspace(-3, 3, 60_001, dtype=torch.float64)
    prior = TWO.density(grid[:, None].float()).double()
    for x_t in (-1.1, -0.2, 0.1, 0.9):
        likelihood = torch.exp(-((x_t - alpha_bar.sqrt() * grid) ** 2) / (2 * (1 - alpha_bar)))
        integral = (grid * prior * likelihood).sum() / (prior * likelihood).sum()
        formula = TWO.mean_x_0(torch.full((1, 1, 1, 1), x_t), alpha_bar)
        assert float(formula) == pytest.approx(float(integral), abs=2e-3)


def test_density_has_integral_one_and_the_right_moments():
    x = torch.linspace(-8, 8, 100_001)[:, None]
    for alpha_bar in (1.0, 0.5, 0.01):
        q = TWO.density(x, alpha_bar) * 16 / 100_000
        mean = (q * x[:, 0]).sum()
        assert float(q.sum()) == pytest.approx(1, abs=1e-3)
        assert float(mean) == pytest.approx(alpha_bar**0.5 * (0.7 * 0.8 - 0.3), abs=1e-3)


@pytest.mark.parametrize("diffusion", [DIFFUSION, replace(DIFFUSION, parameterization=predict_v)], ids=["eps", "v"])
def test_a_mixture_of_one_is_a_gaussian(diffusion):
    one = Mixture(torch.tensor([1.0]), torch.tensor([[0.4]]), variance=0.3)
    x_t, t = torch.randn(50, 1, 1, 1), torch.randint(1, 101, (50,))
    expected = gaussian_denoiser(diffusion, 0.4, 0.3)(x_t, t)
    torch.testing.assert_close(best_model(diffusion, one)(x_t, t), expected, rtol=1e-4, atol=1e-4)


def test_draws_follow_the_mixture():
    torch.manual_seed(0)
    x = TWO.draw(100_000).x.flatten()
    assert float((x < 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(x[x < 0].std()) == pytest.approx(0.2, abs=0.01)


def test_the_minimiser_on_points_draws_the_points_again():
    torch.manual_seed(0)
    fine = replace(DIFFUSION, schedule=NoiseSchedule.from_betas(linear_betas(1000)))
    points = torch.tensor([[-1.0, 0.0], [0.5, 0.5], [1.0, -1.0]])
    minimiser = best_model(fine, Mixture(torch.tensor([0.5, 0.25, 0.25]), points, variance=0.0))
    *_, last = sample(ancestral_step, fine, minimiser, torch.randn(400, 2, 1, 1))
    distance, which = torch.cdist(last.x_t.flatten(1), points).min(dim=1)
    assert float(distance.max()) < 1e-4
    assert float((which == 0).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_no_network_beats_the_best_one():
    torch.manual_seed(0)
    x_0 = TWO.draw(20_000).x
    torch.manual_seed(1)
    best = loss_per_t(simple_loss, DIFFUSION, best_model(DIFFUSION, TWO), x_0, [5, 50])
    for wrong in (
        replace(TWO, variance=0.2),
        replace(TWO, weights=torch.tensor([0.7, 0.3])),
        replace(TWO, means=-TWO.means),
    ):
        torch.manual_seed(1)
        loss = loss_per_t(simple_loss, DIFFUSION, best_model(DIFFUSION, wrong), x_0, [5, 50])
        assert bool((loss > best).all())


def test_the_packages_loop_trains_on_points():
    torch.manual_seed(0)
    config = TrainConfig(steps=400, batch_size=256, learning_rate=5e-3, warmup_steps=20, decay_from=0.5)
    state = TrainState(PointNet(1, width=64), config)
    losses = [float(step.loss) for step in train(DIFFUSION, state, TWO.draw(10_000), simple_loss, config)]
    x_0, times = TWO.draw(10_000).x, [5, 20, 50, 100]
    torch.manual_seed(1)
    trained = loss_per_t(simple_loss, DIFFUSION, state.model, x_0, times)
    torch.manual_seed(1)
    best = loss_per_t(simple_loss, DIFFUSION, best_model(DIFFUSION, TWO), x_0, times)
    assert losses[0] > 0.5
    assert float((trained - best).mean()) < 0.15


def test_points_are_batched_as_they_are():
    points = Points(torch.arange(6.0).reshape(3, 2, 1, 1))
    x_0, y = points.batch(torch.tensor([2, 0]))
    assert x_0.flatten(1).tolist() == [[4, 5], [0, 1]]
    assert y.tolist() == [0, 0]


def test_loss_per_t_is_the_loss_at_that_t():
    x_0 = torch.randn(500, 1, 1, 1)
    torch.manual_seed(3)
    losses = loss_per_t(simple_loss, DIFFUSION, blank, x_0, [1, 7])
    torch.manual_seed(3)
    assert losses.tolist() == pytest.approx([float(torch.randn_like(x_0).square().mean())] * 2)
    told = []
    loss_per_t(simple_loss, DIFFUSION, lambda x_t, t: told.append(set(t.tolist())) or x_t, x_0, [1, 7])
    assert told == [{1}, {7}]


# --- the network's parts ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    unet = UNet(UNetConfig(16, 3, 8, (1, 2), blocks=1, attention=(8,), groups=4))
    for parameter in unet.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return unet, trace(unet, torch.randn(1, 3, 16, 16), torch.tensor([5]))


def test_trace_finds_every_part_in_order(parts):
    unet, found = parts
    assert [part.name for part in found][:4] == ["conv_in", "down.0.stages.0", "down.0.resample", "down.1.stages.0"]
    assert found[-1].name == "conv_out"
    assert found[0].shape == (8, 16, 16)
    assert {part.shape[1] for part in found} == {8, 16}
    time_layers = sum(p.numel() for p in unet.time_mlp.parameters()) + sum(
        p.numel() for p in unet.norm_out.parameters()
    )
    assert sum(part.parameters for part in found) + time_layers == sum(p.numel() for p in unet.parameters())


def test_trace_finds_the_skip_connections(parts):
    _, found = parts
    skips = [(part.name, part.skip_from) for part in found if part.skip_from]
    # last in, first out
    assert skips == [
        ("up.0.stages.0", "down.1.stages.0"),
        ("up.0.stages.1", "down.0.resample"),
        ("up.1.stages.0", "down.0.stages.0"),
        ("up.1.stages.1", "conv_in"),
    ]


def test_trace_counts_operations(parts):
    _, found = parts
    assert found[0].gflop == pytest.approx(2 * 9 * 3 * 8 * 16 * 16 / 1e9)
    attending = next(part for part in found if part.name == "middle_attention")
    projections, products = 4 * 2 * 16 * 16 * 64, 2 * 2 * 16 * 64 * 64
    assert attending.gflop == pytest.approx((projections + products) / 1e9)


def test_diagram_has_a_bar_for_each_part(parts):
    _, found = parts
    figure = diagram(found, "title")
    bars = [patch for patch in figure.axes[0].patches if hasattr(patch, "get_height")]
    assert [bar.get_height() for bar in bars] == [part.shape[1] for part in found]
    assert len(figure.axes[0].patches) == len(found) + 4  # and an arrow for each skip connection
    plt.close(figure)


def test_live_shows_losses_and_rate(monkeypatch):
    shown = []
    monkeypatch.setattr("mini_ddpm.course.live.display", lambda **how: Place(shown))
    live = Live(steps=4, batch_size=10, floor=0.25)
    for step in range(1, 3):
        live.add(TrainStep(step, torch.tensor(1.0 / step), torch.tensor(0.0)))
    live.show(torch.zeros(20, 1, 8, 8))
    assert shown[0].axes[0].lines[1].get_ydata()[0] == 0.25
    assert live.losses == [1.0, 0.5]
    assert live.images_per_second == pytest.approx(20 / live.seconds)
    assert "step 2 of 4" in shown[0].axes[0].get_title()
    for step in range(3, 5):
        live.add(TrainStep(step, torch.tensor(0.25), torch.tensor(0.0)))
    live.show(torch.zeros(20, 1, 8, 8))
    assert shown[-1].axes[0].get_title() == "The last hundred steps: 0.50, 2.0 times the floor"


def test_a_slider_shows_what_its_controls_say(monkeypatch):
    shown, made = [], {}
    monkeypatch.setattr(figures, "show", lambda figure, alt: shown.append(alt))
    monkeypatch.setattr("ipywidgets.interact", lambda draw, **controls: made.update(controls, draw=draw))
    choices = {"t": [1, 2, 3], "schedule": ["linear", "cosine"]}
    start = {"t": 2, "schedule": "cosine"}
    figures.Slider(lambda t, schedule: (plt.figure(), f"{schedule}, {t}"), choices, start).move()
    controls = {name: made[name] for name in choices}
    assert {name: control.value for name, control in controls.items()} == start
    assert [*controls["t"].options] == [1, 2, 3]
    made["draw"](t=3, schedule="linear")
    assert shown == ["linear, 3"]
    plt.close("all")


def test_rows_of_digits_have_their_names(monkeypatch):
    shown = []
    monkeypatch.setattr(sheets, "show", lambda figure, alt: shown.append((figure, alt)))
    sheets.draw_digits({"above": torch.zeros(10, 1, 28, 28), "below": torch.ones(10, 1, 28, 28)}, "two rows")
    ((figure, alt),) = shown
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["above", "below"]
    assert alt == "two rows"
    plt.close(figure)


def test_losses_have_ticks_that_one_reads():
    figure, axes = plt.subplots()
    axes.set_yscale("log")
    axes.set_ylim(0.009, 0.6)
    figures.plain_ticks(axes)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]
    plt.close(figure)
