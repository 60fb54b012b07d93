from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from oracles import gaussian_chain_variance, gaussian_denoiser, single_image_denoiser

from mini_ddpm.diffusion import Diffusion, fixed_large, fixed_small, predict_eps, predict_v, predict_x_0, q_posterior
from mini_ddpm.sampling import ancestral_step, ddim_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas

LINEAR = NoiseSchedule.from_betas(linear_betas(1000))
NAMES = {"eps": "epsilon", "x_0": "sample", "v": "v_prediction"}
OURS = {"eps": predict_eps, "x_0": predict_x_0, "v": predict_v}


def fake_model(x, t):
    return torch.sin(3 * x) + t.reshape(-1, 1, 1, 1) / 1000


def draw(n=2, seed=0):
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("variance", "theirs"), [(fixed_small, "fixed_small"), (fixed_large, "fixed_large")])
@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_ancestral_step_is_diffusers(name, variance, theirs, t):
    scheduler = DDPMScheduler(1000, variance_type=theirs, prediction_type=NAMES[name], clip_sample=True)
    x_t = draw()
    torch.manual_seed(0)
    expected = scheduler.step(fake_model(x_t, torch.full((2,), t)), t - 1, x_t).prev_sample
    torch.manual_seed(0)
    ours = ancestral_step(Diffusion(LINEAR, OURS[name], variance), fake_model, x_t, t, t - 1)
    torch.testing.assert_close(ours.x_t, expected, rtol=1e-3, atol=1e-4)  # theirs is float32
    assert ours.t == t - 1


@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize("theirs", ["fixed_small", "fixed_large"])
def test_strided_ancestral_chain_is_diffusers(steps, theirs):
    """The same (t, s) pairs on both sides, up to the last one, where theirs adds noise when t > 1."""
    scheduler = DDPMScheduler(1000, variance_type=theirs, timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    variance = {"fixed_small": fixed_small, "fixed_large": fixed_large}[theirs]
    diffusion = Diffusion(LINEAR, variance=variance, steps=steps)
    assert [t - 1 for t in diffusion.timesteps[:-1]] == scheduler.timesteps.tolist()
    expected = draw()
    torch.manual_seed(0)
    for t in scheduler.timesteps[:-1]:
        expected = scheduler.step(fake_model(expected, t.expand(2) + 1), t, expected).prev_sample
    torch.manual_seed(0)
    *_, before_last, _ = sample(ancestral_step, diffusion, fake_model, draw())
    torch.testing.assert_close(before_last.x_t, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_ddim_step_is_diffusers(eta, name):
    scheduler = DDIMScheduler(1000, prediction_type=NAMES[name], set_alpha_to_one=True)
    scheduler.set_timesteps(50)
    x_t = draw()
    for t in (1, 481, 981):
        torch.manual_seed(0)
        out = fake_model(x_t, torch.full((2,), t))
        expected = scheduler.step(out, t - 1, x_t, eta=eta, use_clipped_model_output=True).prev_sample
        torch.manual_seed(0)
        ours = ddim_step(Diffusion(LINEAR, OURS[name]), fake_model, x_t, t, max(t - 20, 0), eta)
        torch.testing.assert_close(ours.x_t, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("t", "s"), [(1000, 999), (700, 350), (1, 0)])
def test_ddim_with_eta_1_is_the_posterior(t, s):
    diffusion, x_t = Diffusion(LINEAR, variance=fixed_small), draw()
    torch.manual_seed(0)
    a = ancestral_step(diffusion, fake_model, x_t, t, s)
    torch.manual_seed(0)
    b = ddim_step(diffusion, fake_model, x_t, t, s, eta=1.0)
    torch.testing.assert_close(a.x_t, b.x_t, rtol=1e-4, atol=1e-5)


def test_clip_acts_before_the_mean():
    x_t = draw() * 3
    diffusion = Diffusion(LINEAR, predict_x_0)
    step = ancestral_step(diffusion, lambda x, t: torch.full_like(x, 9.0), x_t, 1000, 0)
    torch.testing.assert_close(step.x_t, torch.ones_like(x_t), rtol=0, atol=1e-5)
    mean, _ = q_posterior(torch.ones_like(x_t), x_t, LINEAR.at(2), LINEAR.at(0))
    step = ancestral_step(diffusion, lambda x, t: torch.full_like(x, 9.0), x_t, 2, 0)
    torch.testing.assert_close(step.x_t, mean)


def test_no_noise_at_the_last_step():
    x_t = draw()
    diffusion = Diffusion(LINEAR, variance=fixed_large)
    torch.manual_seed(0)
    first = ancestral_step(diffusion, fake_model, x_t, 1, 0)
    assert torch.equal(first.x_t, ancestral_step(diffusion, fake_model, x_t, 1, 0).x_t)
    noisy = ancestral_step(diffusion, fake_model, x_t, 2, 1)
    assert not torch.equal(noisy.x_t, ancestral_step(diffusion, fake_model, x_t, 2, 1).x_t)


@pytest.mark.parametrize("variance", [fixed_small, fixed_large])
@pytest.mark.parametrize("steps", [20, 1000])
def test_gaussian_data_come_out_with_the_exact_variance(variance, steps):
    """The whole chain, with the optimal denoiser: its output variance follows a scalar recursion."""
    diffusion = Diffusion(LINEAR, predict_eps, variance, clip=None, steps=steps)
    torch.manual_seed(0)
    *_, last = sample(ancestral_step, diffusion, gaussian_denoiser(diffusion, 0.0, 0.3), torch.randn(40, 1, 20, 20))
    expected = gaussian_chain_variance(diffusion, 0.3)
    assert float(last.x_t.var()) == pytest.approx(expected, rel=0.04)  # 16,000 draws: 1.1% standard error
    if steps == 1000:
        assert expected == pytest.approx(0.3, rel=0.02)


def test_gaussian_mean_is_found():
    diffusion = Diffusion(NoiseSchedule.from_betas(cosine_betas(1000)), predict_v, fixed_small, clip=None, steps=100)
    torch.manual_seed(0)
    *_, last = sample(ancestral_step, diffusion, gaussian_denoiser(diffusion, 0.6, 0.04), torch.randn(20, 1, 20, 20))
    assert float(last.x_t.mean()) == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("step", [ancestral_step, ddim_step, partial(ddim_step, eta=0.5)])
@pytest.mark.parametrize("parameterization", [predict_x_0, predict_v, predict_eps])
def test_a_single_image_is_reproduced(step, parameterization):
    image = draw(1)[0].clamp(-1, 1)
    diffusion = Diffusion(LINEAR, parameterization, fixed_small, steps=25)
    *_, last = sample(step, diffusion, single_image_denoiser(diffusion, image), draw(4, seed=1))
    torch.testing.assert_close(last.x_t, image.expand(4, -1, -1, -1), rtol=0, atol=2e-3)


def test_sample_yields_every_step_and_repeats_with_the_seed():
    diffusion = Diffusion(LINEAR, steps=10)
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append(list(sample(ancestral_step, diffusion, fake_model, draw())))
    assert [state.t for state in runs[0]] == [900, 800, 700, 600, 500, 400, 300, 200, 100, 0]
    assert all(torch.equal(a.x_t, b.x_t) and torch.equal(a.x_0, b.x_0) for a, b in zip(*runs, strict=True))
