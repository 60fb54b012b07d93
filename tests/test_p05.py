"""Notebook 05: its numbers against the package, against draws, and against a network that is wrong."""

import pytest
import torch

from mini_ddpm import diffusion, losses
from mini_ddpm.course import p05
from mini_ddpm.course.toys import TWO_PEAKS, PointNet, best_model
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.symbolic.notation import alpha, alpha_bar, beta, eps, t, x

SCHEDULE = NoiseSchedule.from_betas(linear_betas(1000))
WEIGHT = beta[t] ** 2 / (2 * p05.sigma[t] ** 2 * alpha[t] * (1 - alpha_bar[t]))


@pytest.mark.parametrize("time", [2, 100, 500, 1000])
def test_the_weight_is_that_of_the_packages_bound(time):
    process = diffusion.Diffusion(SCHEDULE, variance=diffusion.fixed_small, clip=None)
    x_0, noise, at = p05.column([0.6]), p05.column([-1.5]), torch.tensor([time])
    term = losses.vlb_loss(process, lambda x_t, t: noise + 0.3, x_0, at, noise)
    expected = losses.bits_per_dim((p05.values(WEIGHT, SCHEDULE)[time - 2] * 0.3**2).reshape(1, 1, 1, 1))
    assert term.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("time", [10, 130, 200, 600])
def test_the_floors_are_what_the_best_player_measures(time):
    torch.manual_seed(0)
    bar = SCHEDULE.alpha_bar[time]
    x_0 = TWO_PEAKS.draw(200_000).x
    noise = torch.randn_like(x_0)
    x_t = bar.sqrt() * x_0 + (1 - bar).sqrt() * noise
    best = TWO_PEAKS.mean_x_0(x_t, bar)
    guess = (x_t - bar.sqrt() * best) / (1 - bar).sqrt()
    of_noise, of_image = p05.floor(bar)
    assert (guess - noise).square().mean().item() == pytest.approx(of_noise, rel=0.02)
    assert (best - x_0).square().mean().item() == pytest.approx(of_image, rel=0.02)
    assert p05.peak_known(bar) < of_noise < bar


def test_towards_time_0_the_image_gets_easier_at_every_step_and_the_noise_does_not_always_get_harder():
    of_noise, of_image = p05.floors(SCHEDULE)
    assert (of_image.diff() > 0).all()
    rising = (of_noise.diff() > 0).nonzero().flatten() + 1  # from this t to the next
    assert (int(rising[0]), int(rising[-1])) == (128, 177)
    assert len(rising) == 50


def test_a_wrong_line_does_not_agree():
    root = (1 - alpha_bar[t]) ** 0.5
    mean = (x[t] - beta[t] / root * eps) / alpha[t] ** 0.5
    assert p05.agree({"mean": mean}, SCHEDULE)
    assert not p05.agree({"mean": mean * 1.001}, SCHEDULE)


def test_curves_of_players_and_of_networks():
    process = diffusion.Diffusion(SCHEDULE, variance=diffusion.fixed_small, clip=None)
    grid, said = p05.curve(best_model(process, TWO_PEAKS), 200)
    assert said.shape == grid.shape == p05.curve(PointNet(1, width=8), 200)[1].shape
