import math
from dataclasses import replace

import pytest
import torch
from oracles import gaussian_denoiser, single_image_denoiser

from mini_ddpm.diffusion import (
    Diffusion,
    fixed_large,
    fixed_small,
    learned_range,
    predict_eps,
    predict_v,
    predict_x_0,
)
from mini_ddpm.losses import (
    ImportanceTimes,
    StratifiedTimes,
    UniformTimes,
    bits_per_dim,
    decoder_log_likelihood,
    hybrid_loss,
    min_snr_loss,
    normal_kl,
    prior_term,
    simple_loss,
    vlb_loss,
)
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas

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


@pytest.mark.parametrize(
    ("parameterization", "weight"),
    [
        (predict_eps, lambda snr: snr.clamp(max=5) / snr),
        (predict_x_0, lambda snr: snr.clamp(max=5)),
        (predict_v, lambda snr: snr.clamp(max=5) / (snr + 1)),
    ],
)
def test_min_snr_weighs_the_error_of_each_target(parameterization, weight):
    """The same error, whatever is predicted: the errors of eps, x_0 and v are multiples of each other at each t."""
    x_0, t, eps = draw(n=200)
    t[:2] = torch.tensor([1, 1000])
    diffusion = Diffusion(LINEAR, parameterization)
    plain, weighted = (loss(diffusion, lambda x, t: torch.sin(x), x_0, t, eps) for loss in (simple_loss, min_snr_loss))
    snr = (LINEAR.at(t) / (1 - LINEAR.at(t))).flatten()
    torch.testing.assert_close(weighted, (weight(snr) * plain.double()).float(), rtol=1e-3, atol=1e-6)
    assert bool((snr > 5).any() and (snr < 5).any())


def test_variance_channels_are_left_alone():
    x_0, t, eps = draw()

    def wide(x, t):
        return torch.cat([torch.zeros_like(x), torch.full_like(x, 1e6)], dim=1)

    loss = simple_loss(Diffusion(LINEAR), wide, x_0, t, eps)
    torch.testing.assert_close(loss, eps.square().mean(dim=(1, 2, 3)))
    assert float(min_snr_loss(Diffusion(LINEAR), wide, x_0, t, eps).max()) < 20  # 5 times a square of about 1


# --- the bound ------------------------------------------------------------------------------------------

CPU = torch.device("cpu")
LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1


def nothing(x, t):
    return torch.zeros_like(x)


@pytest.mark.parametrize("variance", [fixed_small, fixed_large])
@pytest.mark.parametrize("t", [2, 300, 1000])
def test_zero_network_pays_the_weight_of_notebook_05(variance, t):
    """Its noise is wrong by eps, so for noise of mean square 1 the KL is the weight, plus that of the variances."""
    x_0 = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    eps = torch.sign(torch.randn_like(x_0))
    loss = vlb_loss(Diffusion(LINEAR, variance=variance), nothing, x_0, torch.full((4,), t), eps)
    a_t, a_s = LINEAR.at(t), LINEAR.at(t - 1)
    beta = 1 - a_t / a_s
    beta_tilde = (1 - a_s) / (1 - a_t) * beta
    sigma_2 = beta_tilde if variance is fixed_small else beta
    weight = beta**2 / (2 * sigma_2 * (1 - beta) * (1 - a_t))
    variances = (beta_tilde / sigma_2 - 1 - (beta_tilde / sigma_2).log()) / 2
    torch.testing.assert_close(loss, ((weight + variances) / math.log(2)).expand(4), rtol=1e-6, atol=0)


def test_kl_is_torchs():
    generator = torch.Generator().manual_seed(0)
    m_1, m_2, l_1, l_2 = torch.randn(4, 1000, generator=generator, dtype=torch.float64)
    first, second = (torch.distributions.Normal(m, (v / 2).exp()) for m, v in ((m_1, l_1), (m_2, l_2)))
    torch.testing.assert_close(normal_kl(m_1, l_1, m_2, l_2), torch.distributions.kl_divergence(first, second))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sigma", [1e-4, 1e-2, 0.3, 10.0])
@pytest.mark.parametrize("mean", [-1.2, -1.0, 0.0, 0.301, 0.99])
def test_the_256_levels_sum_to_one(mean, sigma, dtype):
    log_variance = torch.tensor(2 * math.log(sigma), dtype=dtype)
    total = decoder_log_likelihood(LEVELS.to(dtype), torch.tensor(mean, dtype=dtype), log_variance).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-10 if dtype == torch.float64 else 1e-5)


def test_a_level_has_the_area_over_its_bin():
    normal = torch.distributions.Normal(torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.5).double())
    area = normal.cdf(LEVELS + 1 / 255) - normal.cdf(LEVELS - 1 / 255)
    area[0], area[-1] = normal.cdf(LEVELS[0] + 1 / 255), 1 - normal.cdf(LEVELS[-1] - 1 / 255)
    ours = decoder_log_likelihood(LEVELS, normal.mean, 2 * normal.stddev.log())
    torch.testing.assert_close(ours, area.log(), rtol=1e-10, atol=0)


def test_far_tails_have_finite_values_and_gradients():
    mean, log_variance = torch.tensor(0.5, requires_grad=True), torch.tensor(-18.0, requires_grad=True)
    values = decoder_log_likelihood(LEVELS.float(), mean, log_variance)
    values.sum().backward()
    assert bool(values.min() < -1e6)  # 1e4 standard deviations out
    assert bool(values.isfinite().all() & mean.grad.isfinite() & log_variance.grad.isfinite())
    assert values[150:230].argmax() == (LEVELS[150:230] - 0.5).abs().argmin()


@pytest.mark.parametrize("betas", [linear_betas(1000), linear_betas(4000), cosine_betas(4000)])
def test_L_T_is_the_kl_to_the_prior(betas):
    schedule = NoiseSchedule.from_betas(betas)
    x_0 = torch.tensor([-1.0, 0.2, 1.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    a = float(schedule.alpha_bar[-1])
    nats = [(a * float(x) ** 2 - a - math.log1p(-a)) / 2 for x in x_0.flatten()]
    L_T = prior_term(Diffusion(schedule), x_0)
    assert L_T.tolist() == pytest.approx([value / math.log(2) for value in nats], rel=1e-4, abs=1e-15)
    assert float(L_T.max()) < 1e-4  # the forward process ends in noise


@pytest.mark.parametrize("t", [2, 10, 100, 900])
def test_optimal_gaussian_denoiser_pays_what_gaussians_say(t):
    """With variance beta_tilde only the means differ, by the posterior's weight times the error of x_0."""
    v = 0.25
    x_0, _, eps = draw(n=200, variance=v)
    diffusion = Diffusion(LINEAR, variance=fixed_small)
    loss = vlb_loss(diffusion, gaussian_denoiser(diffusion, 0.0, v), x_0, torch.full((200,), t), eps)
    a_t, a_s = float(LINEAR.at(t)), float(LINEAR.at(t - 1))
    beta = 1 - a_t / a_s
    error = v * (1 - a_t) / (v * a_t + 1 - a_t)  # variance of x_0 given x_t
    weight = a_s * beta**2 / (1 - a_t) ** 2 / (2 * (1 - a_s) / (1 - a_t) * beta)
    assert float(loss.mean()) == pytest.approx(weight * error / math.log(2), rel=0.02)


def test_one_image_known_to_the_network_costs_only_L_0():
    image = torch.zeros(1, 4, 4)
    diffusion = Diffusion(LINEAR, variance=fixed_small)
    t = torch.tensor([1, 2, 500, 1000])
    x_0, eps = image.expand(4, 1, 4, 4), torch.randn(4, 1, 4, 4)
    loss = vlb_loss(diffusion, single_image_denoiser(diffusion, image), x_0, t, eps)
    floor_ = diffusion.floor.sqrt()
    middle = torch.distributions.Normal(torch.tensor(0.0).double(), floor_)
    assert float(loss[0]) == pytest.approx(-math.log2(float(middle.cdf(torch.tensor(1 / 255)) * 2 - 1)), abs=1e-5)
    assert float(loss[1:].abs().max()) < 1e-6


def wide(output):
    """A network with variance channels whose output is given."""
    return lambda x, t: output


def test_the_bound_teaches_hybrid_its_variance_only():
    x_0, _, eps = draw()
    t = torch.tensor([1, 2, 3, 10, 100, 500, 900, 1000])
    diffusion = Diffusion(LINEAR, variance=learned_range, clip=None)
    output = (0.1 * torch.randn(8, 4, 16, 16)).requires_grad_()
    (hybrid,) = torch.autograd.grad(hybrid_loss(diffusion, wide(output), x_0, t, eps).sum(), output)
    (simple,) = torch.autograd.grad(simple_loss(diffusion, wide(output), x_0, t, eps).sum(), output)
    (bound,) = torch.autograd.grad(vlb_loss(diffusion, wide(output), x_0, t, eps).sum(), output)
    assert torch.equal(hybrid[:, :2], simple[:, :2])
    torch.testing.assert_close(hybrid[:, 2:], 0.001 * 1000 * bound[:, 2:])
    assert float(bound[:, :2].abs().max()) > 0  # vlb itself does teach the mean
    assert float(simple[:, 2:].abs().max()) == 0


def test_hybrid_is_the_sum_of_its_parts():
    x_0, t, eps = draw()
    diffusion = Diffusion(LINEAR, variance=learned_range, clip=None)
    model = wide(0.1 * torch.randn(8, 4, 16, 16))
    parts = [loss(diffusion, model, x_0, t, eps) for loss in (hybrid_loss, simple_loss, vlb_loss)]
    torch.testing.assert_close(parts[0], parts[1] + parts[2])  # 0.001 T = 1


def test_hybrid_teaches_the_variance_beside_the_clamped_mean():
    """All data are 1 and x_t so large that x_0, unclamped, is 1.5: clamped there is no error left to allow for."""
    x_0, eps, t = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.tensor([3])
    a = float(LINEAR.at(3))
    answer = (a**0.5 * 1.0 - a**0.5 * 1.5) / (1 - a) ** 0.5  # the noise that x_0 = 1.5 implies
    output = torch.cat([torch.full((1, 1, 2, 2), answer), torch.zeros(1, 1, 2, 2)], dim=1).requires_grad_()
    slopes = []
    for clip in (1.0, None):
        diffusion = Diffusion(LINEAR, variance=learned_range, clip=clip)
        (gradient,) = torch.autograd.grad(hybrid_loss(diffusion, wide(output), x_0, t, eps).sum(), output)
        slopes.append(float(gradient[:, 1].sum()))
    assert slopes[0] > 0 > slopes[1]  # the one wants less variance, the other more


def test_the_bound_teaches_all_steps_however_few_sampling_keeps():
    """At t = 1 the variance stands on beta_tilde of the chain's second step: the long chain's, not the short one's."""
    x_0, _, eps = draw()
    t = torch.tensor([1, 2, 3, 10, 100, 500, 900, 1000])
    whole = Diffusion(LINEAR, variance=learned_range)
    model = wide(0.1 * torch.randn(8, 4, 16, 16))
    for loss in (vlb_loss, hybrid_loss):
        expected = loss(whole, model, x_0, t, eps)
        assert torch.equal(loss(replace(whole, steps=25), model, x_0, t, eps), expected)


def test_clamping_is_not_for_training():
    """Where x_0 is clamped its gradient would vanish."""
    x_0, eps = torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0)
    output = torch.zeros(1, 1, 2, 2, requires_grad=True)
    vlb_loss(Diffusion(LINEAR, clip=1.0), wide(output), x_0, torch.tensor([900]), eps).sum().backward()
    assert bool((output.grad != 0).all())


def test_bits_per_dim_are_nats_over_log_2():
    assert bits_per_dim(torch.full((3, 1, 4, 4), math.log(2))).tolist() == pytest.approx([1, 1, 1])


# --- which t to train on --------------------------------------------------------------------------------


def test_uniform_times_weigh_one():
    torch.manual_seed(0)
    t, weight = UniformTimes().draw(5, 20_000, CPU)
    assert torch.bincount(t).tolist()[1:] == pytest.approx([4000] * 5, rel=0.06)
    assert bool((weight == 1).all())


@pytest.mark.parametrize(("T", "n"), [(1000, 32), (1000, 7), (5, 20), (1, 3), (1_000_000, 1)])
def test_stratified_times_lie_one_in_each_part(T, n):
    torch.manual_seed(0)
    drawn = torch.stack([StratifiedTimes().draw(T, n, CPU)[0] for _ in range(200)])
    part = T * torch.arange(n) / n
    assert bool((drawn >= part.floor() + 1).all())
    assert bool((drawn <= (part + T / n).ceil()).all())
    assert bool((StratifiedTimes().draw(T, n, CPU)[1] == 1).all())


def test_stratified_times_are_uniform_too():
    torch.manual_seed(0)
    drawn = torch.cat([StratifiedTimes().draw(5, 7, CPU)[0] for _ in range(3000)])
    assert torch.bincount(drawn).tolist()[1:] == pytest.approx([4200] * 5, rel=0.03)
    few = torch.stack([StratifiedTimes().draw(1000, 16, CPU)[0].double().mean() for _ in range(500)])
    many = torch.stack([UniformTimes().draw(1000, 16, CPU)[0].double().mean() for _ in range(500)])
    assert float(few.std() / many.std()) == pytest.approx(1 / 16, rel=0.2)


def filled(losses):
    """Importance times in which each t has had its loss 10 times."""
    times = ImportanceTimes(len(losses))
    for t, loss in enumerate(losses, 1):
        times.record(torch.full((10,), t), torch.full((10,), loss))
    return times


def test_importance_follows_the_losses_and_keeps_the_mean():
    torch.manual_seed(0)
    losses = torch.tensor([8.0, 1.0, 1.0, 2.0])
    times = filled(losses.tolist())
    t, weight = times.draw(4, 40_000, CPU)
    p = 0.999 * losses / losses.sum() + 0.001 / 4
    assert (torch.bincount(t)[1:] / 40_000).tolist() == pytest.approx(p.tolist(), abs=0.01)
    assert float((times.probabilities / (4 * times.probabilities)).sum()) == pytest.approx(1)
    assert float(weight.mean()) == pytest.approx(1, abs=0.05)  # weights have mean 1
    assert float((weight * losses[t - 1]).mean()) == pytest.approx(float(losses.mean()), rel=0.01)
    assert float((weight * losses[t - 1]).std()) < 0.02 * float(losses.std())


def test_importance_is_uniform_until_every_t_has_ten():
    times = filled([5.0, 1.0, 1.0])
    times.count[2] = 9
    assert times.probabilities.tolist() == pytest.approx([1 / 3] * 3)
    times.count[2] = 10
    assert times.probabilities[0] > 0.6


def test_history_is_the_last_ten_losses_of_each_t():
    times = ImportanceTimes(2)
    times.record(torch.tensor([1] * 13 + [2]), torch.arange(14.0))
    assert sorted(times.history[0].tolist()) == list(range(3, 13))
    assert times.count.tolist() == [13, 1]


def test_rare_times_are_still_drawn():
    assert float(filled([1e6, 1e-9, 1e-9]).probabilities.min()) == pytest.approx(0.001 / 3)


def test_a_history_of_another_length_is_refused():
    with pytest.raises(ValueError, match="T=3, but the schedule has T=1000"):
        ImportanceTimes(3).draw(1000, 5, CPU)
