import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from oracles import gaussian_denoiser

from mini_ddpm.course.toys import Mixture, best_classifier, best_model
from mini_ddpm.diffusion import Diffusion, fixed_large, fixed_small, learned_range, predict_eps, predict_v, predict_x_0
from mini_ddpm.guidance import classifier_free, classifier_gradient, classifier_guided, classifier_step, tempered
from mini_ddpm.sampling import ancestral_step, ddim_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas
from mini_ddpm.unet import UNet, UNetConfig

TARGETS = {"eps": predict_eps, "x_0": predict_x_0, "v": predict_v}
COSINE = NoiseSchedule.from_betas(cosine_betas(100))


@pytest.fixture(params=[False, True], ids=["eps", "eps and rho"])
def net(request):
    torch.manual_seed(0)
    net = UNet(UNetConfig(8, 1, 4, (1,), 1, (), groups=2, classes=3, learned_variance=request.param)).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net.requires_grad_(False)


def linear(g, offset=50.0):
    """A classifier of two labels whose log p(y = 0 | x) is g x - offset, so its gradient is g, at every x and t."""

    def classifier(x, t):
        log_p = (g * x).sum(dim=(1, 2, 3)) - offset
        return torch.stack([log_p, torch.log1p(-log_p.exp())], dim=1)

    return classifier


def test_scales_interpolate_and_extrapolate(net):
    x, t, y = torch.randn(4, 1, 8, 8), torch.tensor([1, 10, 100, 1000]), torch.tensor([0, 1, 2, 0])
    with_label, without = net(x, t, y), net(x, t)
    close = {"rtol": 1e-4, "atol": 1e-5}
    assert torch.equal(classifier_free(net, y, 1)(x, t), with_label)
    torch.testing.assert_close(classifier_free(net, y, 0)(x, t)[:, :1], without[:, :1], **close)
    doubled = classifier_free(net, y, 2)(x, t)
    torch.testing.assert_close(doubled[:, :1], (2 * with_label - without)[:, :1], **close)
    torch.testing.assert_close(doubled[:, 1:], with_label[:, 1:], **close)  # variance channels are not guided
    assert not torch.allclose(with_label, without)


def test_gradient_is_the_difference_quotient_and_stays_in_the_image():
    weights = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)

    def classifier(x, t):
        return (x.flatten(1) ** 2) @ weights.T + t[:, None]

    x, t, y = torch.randn(2, 1, 2, 2, dtype=torch.float64), torch.tensor([1, 2]), torch.tensor([2, 0])
    with torch.no_grad():  # as inside `sample`
        g = classifier_gradient(classifier, x, t, y)
    assert weights.grad is None
    assert not g.requires_grad
    step = torch.zeros_like(x)
    step[:, 0, 1, 0] = 1e-6
    log_p = [classifier(x + sign * step, t).log_softmax(1)[torch.arange(2), y].detach() for sign in (1, -1)]
    torch.testing.assert_close(g[:, 0, 1, 0], (log_p[0] - log_p[1]) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("at_mean", [True, False])
@pytest.mark.parametrize("variance", [fixed_small, fixed_large])
def test_a_linear_classifier_shifts_the_mean_by_scale_times_variance_times_gradient(variance, at_mean):
    process = Diffusion(COSINE, variance=variance)
    model = gaussian_denoiser(process, 0.1, 0.3)
    x, y, g = torch.randn(3, 1, 2, 2, dtype=torch.float64), torch.zeros(3, dtype=torch.long), 1.5
    for t, s in ((100, 60), (60, 7), (7, 0)):
        torch.manual_seed(t)
        plain = ancestral_step(process, model, x, t, s)
        torch.manual_seed(t)
        guided = classifier_step(linear(g), y, 2.0, at_mean)(process, model, x, t, s)
        shift = 2.0 * process.p_log_variance(t, s).exp() * g
        torch.testing.assert_close(guided.x_t - plain.x_t, shift.expand_as(x))
        assert torch.equal(guided.x_0, plain.x_0)


def test_the_gradient_is_taken_at_the_mean_and_its_time_or_at_x_t_and_its():
    process, asked = Diffusion(COSINE), []

    def classifier(x, t):
        asked.append((x.detach(), t))
        return torch.stack([x.sum(dim=(1, 2, 3)), t.to(x.dtype)], dim=1)

    model, x, y = gaussian_denoiser(process, 0.0, 0.5), torch.randn(1, 1, 2, 2), torch.tensor([0])
    mean = ancestral_step(replace(process, variance=tempered(process.variance, 1e-30)), model, x, 80, 30).x_t
    for at_mean, where, when in ((True, mean, 30), (False, x, 80)):
        classifier_step(classifier, y, 1.0, at_mean)(process, model, x, 80, 30)
        assert torch.equal(asked[-1][0], where)
        assert asked[-1][1].tolist() == [when]


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_exact_classifier_at_scale_one_makes_the_conditional_model(target):
    """Score of x_t given y = score of x_t + gradient of log p(y | x_t): Bayes. For Gaussians all three are known."""
    process = Diffusion(COSINE, target)
    both = Mixture(torch.tensor([0.3, 0.7]).double(), torch.tensor([[-0.6], [0.5]]).double(), variance=0.04)
    classifier, unconditional = best_classifier(process, both), best_model(process, both)
    x, t = torch.randn(6, 1, 1, 1, dtype=torch.float64), torch.tensor([1, 5, 20, 50, 90, 100])
    for label in (0, 1):
        alone = best_model(process, Mixture(torch.ones(1).double(), both.means[label : label + 1], both.variance))
        guided = classifier_guided(process, unconditional, classifier, torch.full((6,), label), 1.0)
        torch.testing.assert_close(guided(x, t), alone(x, t), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_scale_zero_changes_nothing_and_rho_is_not_guided(target):
    process = Diffusion(COSINE, target)
    out = torch.randn(3, 2, 2, 2, dtype=torch.float64)
    x, t, y = torch.randn(3, 1, 2, 2, dtype=torch.float64), torch.tensor([1, 50, 100]), torch.zeros(3, dtype=torch.long)
    assert torch.equal(classifier_guided(process, lambda x, t: out, linear(1.0), y, 0.0)(x, t), out)
    guided = classifier_guided(process, lambda x, t: out, linear(1.0), y, 3.0)(x, t)
    assert torch.equal(guided[:, 1:], out[:, 1:])
    assert not torch.allclose(guided[:, :1], out[:, :1])
    torch.manual_seed(0)
    plain = ancestral_step(process, lambda x, t: out[:, :1], x, 50, 20)
    torch.manual_seed(0)
    step = classifier_step(linear(1.0), y, 0.0)
    assert torch.equal(step(process, lambda x, t: out[:, :1], x, 50, 20).x_t, plain.x_t)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_both_forms_go_uphill(target):
    """The mean is shifted by + gradient, the noise by - gradient: either way x moves to where the label is likelier."""
    process = Diffusion(COSINE, target, clip=None)
    model, x = gaussian_denoiser(process, 0.0, 0.3), torch.randn(2, 1, 2, 2, dtype=torch.float64)
    y, up = torch.zeros(2, dtype=torch.long), linear(1.0)
    plain = ddim_step(process, model, x, 60, 40).x_t
    assert (ddim_step(process, classifier_guided(process, model, up, y, 1.0), x, 60, 40).x_t > plain).all()
    torch.manual_seed(0)
    plain = ancestral_step(process, model, x, 60, 40).x_t
    torch.manual_seed(0)
    assert (classifier_step(up, y, 1.0)(process, model, x, 60, 40).x_t > plain).all()


def test_guided_sampling_finds_the_label_and_loses_variety():
    process = Diffusion(COSINE, clip=None)
    both = Mixture(torch.tensor([0.5, 0.5]), torch.tensor([[-0.5], [0.5]]), variance=0.04)
    y, found = torch.ones(4000, dtype=torch.long), {}
    for scale in (0.0, 1.0, 6.0):
        torch.manual_seed(0)
        step = classifier_step(best_classifier(process, both), y, scale)
        *_, last = sample(step, process, best_model(process, both), torch.randn(4000, 1, 1, 1))
        found[scale] = last.x_t
    assert abs(float((found[0.0] > 0).double().mean()) - 0.5) < 0.04  # 5 standard errors
    assert float((found[1.0] > 0).double().mean()) > 0.95
    assert float(found[6.0].std()) < 0.95 * float(found[1.0].std())
    assert float(found[6.0].mean()) > float(found[1.0].mean())


@pytest.mark.parametrize("variance", [fixed_small, fixed_large, learned_range])
def test_temperature_scales_the_noise(variance):
    process, rho = Diffusion(COSINE, variance=variance), torch.randn(2, 1, 2, 2)
    cool = replace(process, variance=tempered(variance, 0.5))
    for t, s in pairwise((100, 40, 3, 0)):
        difference = cool.p_log_variance(t, s, rho) - process.p_log_variance(t, s, rho)
        torch.testing.assert_close(difference, torch.full_like(difference, 2 * math.log(0.5)))
