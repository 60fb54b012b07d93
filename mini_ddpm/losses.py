"""What training minimises. A loss is a function of (diffusion, model, x_0, t, eps) that returns (B,).

`model` is called as `model(x_t, t)`; whatever it is conditioned on is closed over beforehand.
"""

from collections.abc import Callable

from torch import Tensor

from mini_ddpm.diffusion import Diffusion, q_sample

Model = Callable[[Tensor, Tensor], Tensor]
Loss = Callable[[Diffusion, Model, Tensor, Tensor, Tensor], Tensor]


def simple_loss(diffusion: Diffusion, model: Model, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """L_simple: squared error of the prediction, with the bound's weight over t dropped.

    Args:
        x_0, eps: (B, C, H, W) images in [-1, 1] and standard normal noise.
        t: (B,) int64 times in 1..T.

    Returns:
        (B,) mean over C, H, W. Source: DDPM, Eq. 14, with the network's target in the place of eps.
    """
    alpha_bar_t = diffusion.schedule.at(t)  # (B, 1, 1, 1)
    x_t = q_sample(x_0, eps, alpha_bar_t)  # (B, C, H, W)
    target = diffusion.parameterization.target(x_0, eps, alpha_bar_t)
    prediction = model(x_t, t)[:, : x_0.shape[1]]  # without variance channels
    return (prediction - target).square().mean(dim=(1, 2, 3))  # Eq. 14, DDPM
