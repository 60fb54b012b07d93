import re
from functools import partial
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from oracles import gaussian_chain_variance, gaussian_denoiser, single_image_denoiser

from mini_ddpm.diffusion import (
    Diffusion,
    eps_from_x_0,
    fixed_large,
    fixed_small,
    predict_eps,
    predict_v,
    predict_x_0,
    q_posterior,
)
from mini_ddpm.guidance import classifier_step
from mini_ddpm.sampling import DPMSolver, ancestral_step, ddim_step, inpaint, sample, sample_from
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


# --- DPM-Solver++(2M) -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # theirs
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 10, 20])
def test_dpm_solver_is_diffusers(name, steps):
    scheduler = DPMSolverMultistepScheduler(
        1000, prediction_type=NAMES[name], timestep_spacing="trailing", final_sigmas_type="zero"
    )
    scheduler.set_timesteps(steps)
    diffusion = Diffusion(LINEAR, OURS[name], clip=None, steps=steps)
    assert [t - 1 for t in diffusion.timesteps[:-1]] == scheduler.timesteps.tolist()
    expected = draw()
    for t in scheduler.timesteps:
        expected = scheduler.step(fake_model(expected, t + 1), t, expected).prev_sample
    *_, last = sample(DPMSolver(), diffusion, fake_model, draw())
    torch.testing.assert_close(last.x_t, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_dpm_solver_is_of_second_order_where_ddim_is_of_first():
    """On Gaussian data x_t keeps its place in units of its spread; steps half as long: a quarter and half the error."""
    schedule = NoiseSchedule.from_betas(cosine_betas(4000))
    diffusion = Diffusion(schedule, predict_v, clip=None)
    model = gaussian_denoiser(diffusion, 0.0, 0.25)
    spread = {t: float((0.25 * schedule.at(t) + 1 - schedule.at(t)).sqrt()) for t in (3200, 800)}

    def error(step, length):
        x_t = torch.full((1, 1, 1, 1), spread[3200], dtype=torch.float64)
        for t, s in pairwise(range(3200, 799, -length)):
            x_t = step(diffusion, model, x_t, t, s).x_t
        return abs(float(x_t) - spread[800])

    for make, gain in ((lambda: ddim_step, 2), (DPMSolver, 4)):
        assert error(make(), 30) / error(make(), 15) == pytest.approx(gain, rel=0.05)
    assert error(DPMSolver(), 120) < error(ddim_step, 30)


def test_a_solver_that_is_used_again_begins_anew():
    solver, diffusion = DPMSolver(), Diffusion(LINEAR, steps=5)
    *_, first = sample(solver, diffusion, fake_model, draw())
    *_, again = sample(solver, diffusion, fake_model, draw())
    assert torch.equal(first.x_t, again.x_t)


def test_a_solver_does_not_mix_up_chains():
    """Two that take turns, one that was left in the middle, and other numbers of images."""
    diffusion, one, two = Diffusion(LINEAR, steps=5), draw(), draw(seed=1)
    alone = [list(sample(DPMSolver(), diffusion, fake_model, x_T))[-1].x_t for x_T in (one, two)]
    solver = DPMSolver()
    *_, turns = zip(*(sample(solver, diffusion, fake_model, x_T) for x_T in (one, two)), strict=True)
    assert not torch.equal(turns[0].x_t, alone[0])  # but as DDIM, which remembers nothing
    *_, ddim = sample(ddim_step, diffusion, fake_model, one)
    torch.testing.assert_close(turns[0].x_t, ddim.x_t)
    left = sample(solver, diffusion, fake_model, draw(n=1))
    next(left), next(left)
    *_, last = sample_from(solver, diffusion, fake_model, one.clamp(-1, 1), 600, seeded(0))
    *_, fresh = sample_from(DPMSolver(), diffusion, fake_model, one.clamp(-1, 1), 600, seeded(0))
    assert torch.equal(last.x_t, fresh.x_t)


# --- randomness -----------------------------------------------------------------------------------------


def classifier(x_t, t):
    return torch.stack([x_t.sum(dim=(1, 2, 3)), t.to(x_t.dtype)], dim=1)


NOISY = {
    "ancestral": ancestral_step,
    "ddim": partial(ddim_step, eta=0.5),
    "guided": classifier_step(classifier, torch.tensor([0, 1]), 1.0),
}
DRAWN = {
    "sample": lambda step, diffusion, generator: sample(step, diffusion, fake_model, draw()),
    "sample_from": lambda step, diffusion, generator: sample_from(step, diffusion, fake_model, draw(), 700, generator),
    "inpaint": lambda step, diffusion, generator: inpaint(step, diffusion, fake_model, draw(), torch.eye(8), generator),
}


@pytest.mark.parametrize("how", DRAWN)
@pytest.mark.parametrize("step", NOISY)
def test_a_generator_is_all_the_randomness_there_is(step, how):
    diffusion, ends = Diffusion(LINEAR, steps=5), []
    before = torch.get_rng_state()
    for seed in (1, 1, 2):
        generator = torch.Generator().manual_seed(seed)
        *_, last = DRAWN[how](partial(NOISY[step], generator=generator), diffusion, generator)
        ends.append(last.x_t)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


@pytest.mark.parametrize("how", DRAWN)
def test_the_global_generator_gives_what_one_of_its_seed_gives(how):
    diffusion = Diffusion(LINEAR, steps=5)
    generator = torch.Generator().manual_seed(5)
    *_, own = DRAWN[how](partial(ancestral_step, generator=generator), diffusion, generator)
    torch.manual_seed(5)
    *_, default = DRAWN[how](ancestral_step, diffusion, None)
    assert torch.equal(own.x_t, default.x_t)


def test_ddim_at_eta_0_draws_no_numbers():
    before = torch.get_rng_state()
    *_, last = sample(ddim_step, Diffusion(LINEAR, steps=5), fake_model, draw())
    assert torch.equal(torch.get_rng_state(), before)
    assert last.t == 0


# --- from an image, and around one ----------------------------------------------------------------------


@pytest.mark.parametrize("step", [ancestral_step, ddim_step])
def test_from_time_T_nothing_of_the_image_is_left(step):
    diffusion = Diffusion(NoiseSchedule.from_betas(cosine_betas(1000)), predict_v, fixed_small, clip=None, steps=50)
    model, ends = gaussian_denoiser(diffusion, 0.6, 0.04), []
    for start in (sample_from(step, diffusion, model, torch.full((40, 1, 20, 20), -1.0), 1000, seeded(0)), None):
        torch.manual_seed(1)
        *_, last = sample(step, diffusion, model, torch.randn(40, 1, 20, 20)) if start is None else start
        ends.append(last.x_t)
    found, expected = ends  # 16,000 numbers each
    assert float(found.mean()) == pytest.approx(float(expected.mean()), abs=0.01)
    assert float(found.std()) == pytest.approx(float(expected.std()), rel=0.03)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_the_later_the_time_the_farther_from_the_image():
    diffusion, x_0 = Diffusion(LINEAR, predict_eps, fixed_small, clip=None, steps=100), torch.full((4, 1, 20, 20), 0.5)
    model, away = gaussian_denoiser(diffusion, 0.0, 0.3), []
    for t in (1, 3, 100, 400, 1000):
        states = list(sample_from(ddim_step, diffusion, model, x_0, t, seeded(0)))
        assert [state.t for state in states] == [s for s in diffusion.timesteps if s < t]
        away.append(float((states[-1].x_t - x_0).square().mean().sqrt()))
    assert away == sorted(away)
    assert away[0] < 0.02
    assert away[-1] > 0.6


def pair_denoiser(diffusion, correlation, variance):
    """The optimal network for images of two pixels (B, 1, 1, 2) that are jointly Gaussian with mean 0."""
    covariance = variance * torch.tensor([[1, correlation], [correlation, 1]], dtype=torch.float64)

    def model(x_t, t):
        a = diffusion.schedule.at(t)[0, 0, 0, 0]
        gain = a.sqrt() * covariance @ torch.linalg.inv(a * covariance + (1 - a) * torch.eye(2))
        x_0 = x_t.double() @ gain.T
        return diffusion.parameterization.target(x_0, eps_from_x_0(x_t.double(), x_0, a), a).to(x_t.dtype)

    return model


@pytest.mark.parametrize(("step", "share"), [(ancestral_step, 0.67), (ddim_step, 0.50)])
def test_what_is_drawn_anew_follows_what_is_kept(step, share):
    """The exact conditional mean is 0.9 times the kept pixel; without knowledge of it, it would be 0."""
    diffusion = Diffusion(NoiseSchedule.from_betas(cosine_betas(1000)), predict_v, fixed_small, clip=None, steps=50)
    x_0 = torch.linspace(-0.5, 0.7, 3).repeat(2000)[:, None, None, None] + torch.tensor([0.0, 0.1])
    torch.manual_seed(0)
    *_, last = inpaint(step, diffusion, pair_denoiser(diffusion, 0.9, 0.3), x_0, torch.tensor([[False, True]]))
    kept, anew = last.x_t[:, 0, 0].T
    assert torch.equal(kept, x_0[:, 0, 0, 0])
    slope = float((kept * anew).mean() / kept.square().mean())
    assert slope == pytest.approx(0.9 * share, abs=0.05)


def test_a_picture_of_which_all_else_is_known_is_completed():
    image, mask = draw(1)[0].clamp(-1, 1), torch.zeros(8, 8)
    mask[2:5, 3:] = 1
    diffusion = Diffusion(LINEAR, predict_x_0, fixed_small, steps=25)
    holed = torch.where(mask.bool(), 0.0, image).expand(4, -1, -1, -1)
    for form in (mask, mask.bool(), mask.long(), mask[None, None], mask.expand(4, 3, 8, 8)):
        *_, last = inpaint(ancestral_step, diffusion, single_image_denoiser(diffusion, image), holed, form)
        torch.testing.assert_close(last.x_t, image.expand(4, -1, -1, -1), rtol=0, atol=2e-3)
        assert torch.equal(last.x_t[..., mask == 0], holed[..., mask == 0])


@pytest.mark.parametrize(("value", "same"), [(0, True), (1, False)])
def test_a_mask_of_one_value_keeps_all_or_nothing(value, same):
    *_, last = inpaint(ddim_step, Diffusion(LINEAR, steps=3), fake_model, draw(), torch.full((8, 8), value))
    assert torch.equal(last.x_t, draw()) == same
    assert bool((last.x_t == draw()).any()) == same


X, D = torch.zeros(2, 3, 8, 8), Diffusion(LINEAR, steps=5)
REFUSED = {
    "time 0": (lambda: sample_from(ddim_step, D, fake_model, X, 0), "from 1 to T=1000, not 0"),
    "time 1001": (lambda: sample_from(ddim_step, D, fake_model, X, 1001), "from 1 to T=1000, not 1001"),
    "half a time": (lambda: sample_from(ddim_step, D, fake_model, X, 2.5), "a whole number from 1 to T=1000, not 2.5"),
    "True": (lambda: sample_from(ddim_step, D, fake_model, X, True), "not True"),
    "times": (lambda: sample_from(ddim_step, D, fake_model, X, torch.tensor([1, 2])), "not tensor([1, 2])"),
    "pixels": (lambda: sample_from(ddim_step, D, fake_model, X.byte(), 3), "floats in [-1, 1]"),
    "pixels around": (lambda: inpaint(ddim_step, D, fake_model, X.byte(), torch.ones(8, 8)), "floats in [-1, 1]"),
    "one image": (lambda: sample_from(ddim_step, D, fake_model, X[0], 3), "of shape (N, "),
    "nan": (lambda: inpaint(ddim_step, D, fake_model, X / 0, torch.ones(8, 8)), "nan or infinite"),
    "a smaller mask": (lambda: inpaint(ddim_step, D, fake_model, X, torch.ones(7, 8)), "a mask of (7, 8) does not fit"),
    "masks of 3": (
        lambda: inpaint(ddim_step, D, fake_model, X, torch.ones(3, 1, 8, 8)),
        "of (3, 1, 8, 8) does",
    ),
    "a larger mask": (lambda: inpaint(ddim_step, D, fake_model, X, torch.ones(1, 2, 3, 8, 8)), "does not fit"),
    "grey": (lambda: inpaint(ddim_step, D, fake_model, X, torch.full((8, 8), 0.5)), "and nothing else"),
    "nan in the mask": (lambda: inpaint(ddim_step, D, fake_model, X, torch.full((8, 8), torch.nan)), "nothing else"),
    "pixels as mask": (lambda: inpaint(ddim_step, D, fake_model, X, torch.full((8, 8), 255)), "1, where the image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_drawn_from_is_refused_at_once(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
