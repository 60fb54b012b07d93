import pytest
import torch
from oracles import gaussian_denoiser, single_image_denoiser

from mini_ddpm.diffusion import Diffusion, predict_eps, predict_v, predict_x_0
from mini_ddpm.losses import simple_loss
from mini_ddpm.schedules import NoiseSchedule, linear_betas

LINEAR = NoiseSchedule.from_betas(linear_betas(1000))


def draw(n=8, variance=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x_0 = torch.randn(n, 2, 16, 16, generator=generator) * variance**0.5
    return x_0, torch.randint(1, 1001, (n,), generator=generator), torch.randn(n, 2, 16, 16, generator=generator)


def test_zero_network_pays_the_noise_itself():
    x_0, t, eps = draw()
    loss = simple_loss(Diffusion(LINEAR), lambda x, t: torch.zeros_like(x), x_0, t, eps)
    assert loss.shape == (8,)
    torch.testing.assert_close(loss, eps.square().mean(dim=(1, 2, 3)))


@pytest.mark.parametrize("parameterization", [predict_eps, predict_x_0, predict_v])
def test_perfect_network_pays_nothing(parameterization):
    x_0, t, eps = draw()
    diffusion = Diffusion(LINEAR, parameterization)
    image = x_0[0]
    loss = simple_loss(diffusion, single_image_denoiser(diffusion, image), image.expand_as(x_0), t, eps)
    assert loss.max() < 1e-6


def test_optimal_denoiser_pays_what_gaussians_say():
    """For N(0, v) data, the least eps error is v alpha_bar / (v alpha_bar + 1 - alpha_bar)."""
    v, t = 0.25, 300
    x_0, _, eps = draw(n=400, variance=v)
    diffusion = Diffusion(LINEAR)
    loss = simple_loss(diffusion, gaussian_denoiser(diffusion, 0.0, v), x_0, torch.full((400,), t), eps)
    a = float(LINEAR.at(t))
    assert float(loss.mean()) == pytest.approx(v * a / (v * a + 1 - a), rel=0.02)


def test_variance_channels_are_left_alone():
    x_0, t, eps = draw()

    def wide(x, t):
        return torch.cat([torch.zeros_like(x), torch.full_like(x, 1e6)], dim=1)

    loss = simple_loss(Diffusion(LINEAR), wide, x_0, t, eps)
    torch.testing.assert_close(loss, eps.square().mean(dim=(1, 2, 3)))
