"""Noise schedules: how fast the signal fades.

A schedule is a list of `beta_1 .. beta_T`, the variance of the noise that each step adds. Everything
else needs only the running product `alpha_bar`, so that is what `NoiseSchedule` keeps.

Conventions, kept by the whole package: `t` runs over `1..T` as in the papers, and `alpha_bar` has `T+1`
entries with `alpha_bar[0] == 1` (no noise yet). Tables are float64; formulas cast at the last moment.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def linear_betas(T: int, beta_1: float = 1e-4, beta_T: float = 0.02) -> Tensor:
    """Betas that grow linearly, rescaled by `1000/T` so that a chain of any length destroys as much.

    Args:
        T: number of steps.
        beta_1, beta_T: first and last variance *of a chain of 1000 steps*.

    Returns:
        (T,) float64.

    Raises:
        ValueError: if a beta would reach 1, which happens for T <= 20 with the default ends.

    Source: DDPM (2006.11239), section 4; the rescaling is that of Improved DDPM's published code.
    """
    betas = torch.linspace(beta_1, beta_T, _checked_length(T), dtype=torch.float64) * (1000 / T)
    if betas.max() >= 1:
        raise ValueError(
            f"the linear schedule is too short: T={T} gives beta_T={betas.max():.3g}, and a variance "
            f"must stay below 1; use T > {math.floor(1000 * beta_T)} or the cosine schedule"
        )
    return betas


def cosine_betas(T: int, s: float = 0.008, max_beta: float = 0.999) -> Tensor:
    """Betas whose `alpha_bar` follows a squared cosine: it falls slowly at both ends.

    Args:
        T: number of steps.
        s: small offset that keeps the first betas from vanishing.
        max_beta: clip that keeps the last step from being singular.

    Returns:
        (T,) float64.

    Source: Improved DDPM (2102.09672), Eq. 17 and the clip below it.
    """
    t = torch.arange(_checked_length(T) + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta)


def _checked_length(T: int) -> int:
    if not isinstance(T, int) or T < 1:
        raise ValueError(f"a schedule needs at least one step, and whole ones, not T={T}")
    return T


@dataclass(frozen=True)
class NoiseSchedule:
    """The products `alpha_bar[t] = (1 - beta_1) ... (1 - beta_t)`, for t in 0..T.

    Attributes:
        alpha_bar: (T+1,) float64, strictly falling from `alpha_bar[0] == 1`.
    """

    alpha_bar: Tensor

    @classmethod
    def from_betas(cls, betas: Tensor) -> "NoiseSchedule":
        """Build the table from `beta_1 .. beta_T`, (T,) float64, each strictly between 0 and 1."""
        betas = torch.as_tensor(betas)
        if betas.ndim != 1 or not len(betas) or not bool(((betas > 0) & (betas < 1)).all()):
            raise ValueError("betas must be one list of variances strictly between 0 and 1")
        alpha_bar = torch.cumprod(1 - betas.double(), dim=0)  # Eq. 4, DDPM
        return cls(torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar]))

    @property
    def T(self) -> int:
        """Number of noising steps."""
        return len(self.alpha_bar) - 1

    @property
    def snr(self) -> Tensor:
        """Signal-to-noise ratio `alpha_bar / (1 - alpha_bar)`, (T+1,); infinite at t = 0.

        Source: variational diffusion models (2107.00630).
        """
        return self.alpha_bar / (1 - self.alpha_bar)

    def at(self, t: Tensor | int) -> Tensor:
        """`alpha_bar_t` ready to multiply images: () for an int, (B, 1, 1, 1) for a (B,) tensor; float64.

        Raises:
            ValueError: a time is not in 0..T. On a GPU its own error says so, for nobody waits for it here.
        """
        if isinstance(t, int) and 0 <= t <= self.T:
            return self.alpha_bar[t]
        try:  # index_select knows no negative times, which would be counted from the end
            t = torch.as_tensor(t, device=self.alpha_bar.device)
            return self.alpha_bar.index_select(0, t).reshape(-1, 1, 1, 1)
        except (IndexError, RuntimeError, TypeError) as error:
            raise ValueError(f"times must be whole numbers from 0 to T={self.T}, one or (B,): {error}") from None

    def to(self, device: torch.device) -> "NoiseSchedule":
        """Move the table. It stays on the CPU where the device has no float64 (Apple's MPS)."""
        return self if device.type == "mps" else NoiseSchedule(self.alpha_bar.to(device))
