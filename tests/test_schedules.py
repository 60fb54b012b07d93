import pytest
import torch

from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas


@pytest.mark.parametrize("betas", [linear_betas(1000), linear_betas(50), cosine_betas(1000), cosine_betas(7)])
def test_signal_fades_strictly_from_one(betas):
    schedule = NoiseSchedule.from_betas(betas)
    assert schedule.alpha_bar.dtype == torch.float64
    assert len(schedule.alpha_bar) == schedule.T + 1 == len(betas) + 1
    assert schedule.alpha_bar[0] == 1
    assert (schedule.alpha_bar.diff() < 0).all()
    assert (schedule.alpha_bar > 0).all()
    recovered = 1 - schedule.alpha_bar[1:] / schedule.alpha_bar[:-1]
    torch.testing.assert_close(recovered, betas, rtol=1e-9, atol=1e-12)


def test_linear_is_the_papers():
    betas = linear_betas(1000)
    assert betas[0] == pytest.approx(1e-4, abs=1e-15)
    assert betas[-1] == pytest.approx(0.02, abs=1e-15)
    # DDPM, section 4: KL(q(x_T|x_0) || N(0, I)) is about 1e-5 bits a dimension; alpha_bar_T = 4e-5
    assert NoiseSchedule.from_betas(betas).alpha_bar[-1] == pytest.approx(4.0e-5, rel=0.02)


@pytest.mark.parametrize("T", [100, 4000])
def test_linear_destroys_as_much_at_any_length(T):
    exponent = torch.log(NoiseSchedule.from_betas(linear_betas(T)).alpha_bar[-1])
    assert float(exponent) == pytest.approx(-10.1, rel=0.15)


def test_cosine_is_the_papers():
    schedule = NoiseSchedule.from_betas(cosine_betas(1000))
    t = torch.arange(1001, dtype=torch.float64)
    f = torch.cos((t / 1000 + 0.008) / 1.008 * torch.pi / 2) ** 2
    torch.testing.assert_close(schedule.alpha_bar[:-1], (f / f[0])[:-1], rtol=1e-9, atol=0)  # Eq. 17, Improved DDPM
    assert cosine_betas(1000).max() == 0.999


def test_snr():
    schedule = NoiseSchedule.from_betas(linear_betas(1000))
    assert torch.isinf(schedule.snr[0])
    assert (schedule.snr.diff() < 0).all()
    assert float(schedule.snr[1]) == pytest.approx(0.9999 / 1e-4)


def test_at_keeps_float64_and_broadcasts():
    schedule = NoiseSchedule.from_betas(linear_betas(1000))
    assert schedule.at(3) == schedule.alpha_bar[3]
    picked = schedule.at(torch.tensor([0, 1000]))
    assert picked.shape == (2, 1, 1, 1)
    assert picked.dtype == torch.float64
    assert picked[1] == schedule.alpha_bar[1000]


@pytest.mark.parametrize("T", [2, 20])
def test_linear_too_short_is_refused(T):
    with pytest.raises(ValueError, match="linear schedule is too short"):
        linear_betas(T)


@pytest.mark.parametrize("make", [linear_betas, cosine_betas])
def test_no_steps_is_refused(make):
    with pytest.raises(ValueError, match="at least one step"):
        make(0)


@pytest.mark.parametrize("betas", [torch.tensor([0.1, 1.0]), torch.tensor([0.0, 0.1]), torch.ones(2, 2) / 2])
def test_impossible_betas_are_refused(betas):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        NoiseSchedule.from_betas(betas)
