import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from diffusers import DDPMScheduler

from mini_ddpm.diffusion import (
    Diffusion,
    eps_from_x_0,
    fixed_large,
    fixed_small,
    learned_range,
    posterior_variance,
    predict_eps,
    predict_v,
    predict_x_0,
    q_posterior,
    q_sample,
    step_beta,
)
from mini_ddpm.losses import hybrid_loss, vlb_loss
from mini_ddpm.sampling import ancestral_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas

LINEAR = NoiseSchedule.from_betas(linear_betas(1000))
COSINE = NoiseSchedule.from_betas(cosine_betas(1000))
ALL = {"eps": predict_eps, "x_0": predict_x_0, "v": predict_v}


def images(n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, 8, 8, generator=generator) * 2 - 1, torch.randn(n, 3, 8, 8, generator=generator)


def test_q_sample_is_diffusers():
    x_0, eps = images()
    t = torch.tensor([1, 2, 500, 1000])
    theirs = DDPMScheduler(1000).add_noise(x_0, eps, t - 1)
    torch.testing.assert_close(q_sample(x_0, eps, LINEAR.at(t)), theirs, rtol=1e-5, atol=1e-5)  # theirs is float32


def test_q_sample_keeps_variance_of_unit_data():
    torch.manual_seed(0)
    x_t = q_sample(torch.randn(1, 1, 1000, 1000), torch.randn(1, 1, 1000, 1000), LINEAR.at(300))
    assert float(x_t.var()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("schedule", [LINEAR, COSINE])
def test_noising_in_two_steps_is_noising_in_one(schedule):
    s, t = schedule.at(100), schedule.at(700)
    beta = 1 - t / s
    assert float((1 - s) * (1 - beta) + beta) == pytest.approx(float(1 - t), rel=1e-12)


@pytest.mark.parametrize(("t", "s"), [(1000, 999), (1000, 1), (500, 250), (2, 1)])
def test_posterior_is_bayes(t, s):
    """q(x_s|x_t,x_0) q(x_t|x_0) = q(x_t|x_s) q(x_s|x_0), compared as log densities at random points."""
    generator = torch.Generator().manual_seed(1)
    x_0, x_s, x_t = (torch.randn(5, 1, 1, 1, dtype=torch.float64, generator=generator) for _ in range(3))
    a_t, a_s = LINEAR.at(t), LINEAR.at(s)

    def log_normal(x, mean, variance):
        return -((x - mean) ** 2) / (2 * variance) - variance.log() / 2 - math.log(2 * math.pi) / 2

    mean, variance = q_posterior(x_0, x_t, a_t, a_s)
    left = log_normal(x_s, mean, variance) + log_normal(x_t, a_t.sqrt() * x_0, 1 - a_t)
    right = log_normal(x_t, (a_t / a_s).sqrt() * x_s, 1 - a_t / a_s) + log_normal(x_s, a_s.sqrt() * x_0, 1 - a_s)
    torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-8)


def test_posterior_at_the_last_step_is_x_0():
    x_0, x_t = images()
    mean, variance = q_posterior(x_0, x_t, LINEAR.at(1), LINEAR.at(0))
    torch.testing.assert_close(mean, x_0, rtol=0, atol=1e-6)
    assert variance == 0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("t", [1, 10, 500, 999])
def test_parameterizations_invert(name, t):
    x_0, eps = (x.double() for x in images())
    a = COSINE.at(t)
    x_t = q_sample(x_0, eps, a)
    output = ALL[name].target(x_0, eps, a)
    torch.testing.assert_close(ALL[name].to_x_0(x_t, output, a), x_0, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(eps_from_x_0(x_t, x_0, a), eps, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("ours", "theirs"), [(fixed_small, "fixed_small"), (fixed_large, "fixed_large")])
@pytest.mark.parametrize("t", [2, 3, 500, 1000])
def test_variance_is_diffusers(ours, theirs, t):
    scheduler = DDPMScheduler(1000, variance_type=theirs)
    expected = float(scheduler._get_variance(t - 1))
    log_variance = Diffusion(LINEAR, variance=ours).p_log_variance(t, t - 1)
    assert float(log_variance.exp()) == pytest.approx(expected, rel=2e-4)  # theirs is float32


def test_learned_range_is_diffusers():
    scheduler = DDPMScheduler(1000, variance_type="learned_range")
    rho = torch.linspace(-1, 1, 5)
    ours = Diffusion(LINEAR, variance=learned_range).p_log_variance(500, 499, rho)
    torch.testing.assert_close(ours, scheduler._get_variance(499, predicted_variance=rho), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variance", [fixed_small, fixed_large])
@pytest.mark.parametrize(("steps", "t", "s"), [(1000, 2, 1), (4, 500, 250)])
def test_floor_is_the_second_last_beta_tilde(variance, steps, t, s):
    diffusion = Diffusion(LINEAR, variance=variance, steps=steps)
    floor = posterior_variance(LINEAR.at(t), LINEAR.at(s))
    assert diffusion.p_log_variance(s, 0) == floor.log()


def test_learned_range_ends_at_floor_and_beta():
    diffusion = Diffusion(LINEAR, variance=learned_range)
    low, middle, high = diffusion.p_log_variance(1, 0, torch.tensor([-1.0, 0.0, 1.0])).tolist()
    assert low == pytest.approx(float(diffusion.floor.log()), rel=1e-6)
    assert high == pytest.approx(math.log(1e-4), rel=1e-6)
    assert middle == pytest.approx((low + high) / 2)


def test_learned_range_without_channels_is_refused():
    with pytest.raises(ValueError, match="variance channels"):
        Diffusion(LINEAR, variance=learned_range).p_log_variance(5, 4)


@pytest.mark.parametrize("steps", [1, 2, 7, 50, 999, 1000])
def test_timesteps_keep_both_ends_and_are_even(steps):
    times = Diffusion(LINEAR, steps=steps).timesteps
    assert times[0] == 1000
    assert times[-1] == 0
    assert len(times) == steps + 1
    gaps = [t - s for t, s in pairwise(times)]
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1
    assert torch.isfinite(Diffusion(LINEAR, steps=steps).floor.log())


@pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=["linear", "cosine"])
@pytest.mark.parametrize("steps", [1, 3, 50, 1000])
def test_every_strided_chain_ends_at_the_same_alpha_bar_T(schedule, steps):
    times = Diffusion(schedule, steps=steps).timesteps
    kept = [1 - step_beta(schedule.at(t), schedule.at(s)) for t, s in pairwise(times)]
    assert float(torch.stack(kept).prod()) == pytest.approx(float(schedule.alpha_bar[-1]), rel=1e-9)


@pytest.mark.parametrize("steps", [4, 50])
def test_learned_range_spans_the_range_of_its_own_pair(steps):
    diffusion = Diffusion(COSINE, variance=learned_range, steps=steps)
    for t, s in list(pairwise(diffusion.timesteps))[:-1]:
        low, high = diffusion.p_log_variance(t, s, torch.tensor([-1.0, 1.0])).exp().tolist()
        assert low == pytest.approx(float(posterior_variance(COSINE.at(t), COSINE.at(s))), rel=1e-5)
        assert high == pytest.approx(float(1 - COSINE.at(t) / COSINE.at(s)), rel=1e-5)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_steps_are_refused(steps):
    with pytest.raises(ValueError, match="between 1 and T=1000"):
        Diffusion(LINEAR, steps=steps).timesteps  # noqa: B018


def test_prediction_is_clipped_and_split():
    x_t = torch.full((2, 3, 4, 4), 5.0)

    def model(x, t):
        return torch.cat([x, x * 2], dim=1)

    t = torch.tensor([1, 1])
    prediction = Diffusion(LINEAR, predict_x_0).predict(model, x_t, t)
    assert (prediction.x_0 == 1).all()
    assert (prediction.rho == 10).all()
    assert (Diffusion(LINEAR, predict_x_0, clip=None).predict(model, x_t, t).x_0 == 5).all()
    assert Diffusion(LINEAR, predict_x_0).predict(lambda x, t: x, x_t, t).rho is None


def test_tables_stay_on_the_cpu_where_there_is_no_float64():
    assert LINEAR.to(torch.device("mps")).alpha_bar.device.type == "cpu"


# --- chains of one's own --------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [[1000, 500, 3, 0], (1000, 0), range(1000, -1, -1)])
def test_an_own_chain_is_walked_as_it_is_given(times):
    diffusion = Diffusion(LINEAR, variance=fixed_large, timesteps=times)
    steps = list(sample(ancestral_step, diffusion, lambda x, t: x, images()[1]))
    assert [state.t for state in steps] == [*times][1:]
    changed = replace(diffusion, clip=None).to(torch.device("cpu"))
    assert changed.timesteps == diffusion.timesteps
    assert changed.floor == diffusion.floor


def test_a_chain_of_even_times_given_as_ones_own_draws_the_same_images():
    even = Diffusion(COSINE, predict_v, steps=7)
    own = Diffusion(COSINE, predict_v, timesteps=[*even.timesteps])
    ends = []
    for diffusion in (even, own):
        torch.manual_seed(0)
        *_, last = sample(ancestral_step, diffusion, lambda x, t: x.sin(), images()[1])
        ends.append(last.x_t)
    assert torch.equal(*ends)


def test_a_number_of_steps_can_be_changed_and_taken_back():
    few = replace(Diffusion(LINEAR), steps=4)
    assert few.timesteps == [1000, 750, 500, 250, 0]
    assert replace(few, steps=2).timesteps == [1000, 500, 0]
    assert len(replace(few, steps=None).timesteps) == 1001


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([999, 500, 0], "fall from T=1000 to 0, not from 999 to 0"),
        ([1000, 500, 1], "not from 1000 to 1"),
        ([0, 500, 1000], "not from 0 to 1000"),
        ([1000, 500, 500, 0], "after 500 comes 500"),
        ([1000, 400, 500, 0], "after 400 comes 500"),
        ([1000, 1001, 0], "after 1000 comes 1001"),
        ([1000, -3, 0], "after -3 comes 0"),
        ([1000, 2.5, 0], "2.5 is no int"),
        ([1000.0, 500, 0], "1000.0 is no int"),
        ([1000, True, 0], "True is no int"),
        ([1000, None, 0], "None is no int"),
        (torch.tensor([1000, 0]).tolist()[:1], "not from 1000 to 1000"),
        (torch.tensor([1000, 0]), "a list of whole numbers"),
        ([], "not []"),
        (50, "not 50"),
        (None, "not None"),
        ("1000", "not '1000'"),
    ],
)
def test_times_that_are_no_chain_are_refused_at_once(times, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Diffusion(LINEAR, timesteps=times)
    assert len(str(caught.value).splitlines()) == 1


def test_a_chain_has_steps_or_times_not_both():
    with pytest.raises(ValueError, match="steps or timesteps of its own, not both"):
        Diffusion(LINEAR, steps=2, timesteps=[1000, 500, 0])


@pytest.mark.parametrize("loss", [vlb_loss, hybrid_loss])
def test_all_T_steps_are_taught_whatever_the_chain(loss):
    x_0, eps = images()
    t, rho = torch.tensor([1, 2, 500, 1000]), torch.zeros_like(x_0)
    whole = Diffusion(LINEAR, variance=learned_range)
    own = replace(whole, timesteps=[1000, 10, 0])
    model = lambda x, t: torch.cat([x, rho], dim=1)  # noqa: E731
    assert torch.equal(loss(own, model, x_0, t, eps), loss(whole, model, x_0, t, eps))
