"""What you may bring along: a network, in the place of the U-Net, and a step, in the place of `ancestral_step`."""

import inspect
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from mini_ddpm.diffusion import Diffusion
from mini_ddpm.losses import Model


class Network(Protocol):
    """An `nn.Module` that is called as `network(x_t, t, y=y)`, and says how many labels it knows.

    x_t is (B, C, H, W), t (B,) int64 in 1..T, y (B,) int64 labels; label `classes` means "no label". The output has
    the shape of x_t, or twice its channels, the second half being rho. A module without labels needs neither `classes`
    nor y: it is called as `network(x_t, t)`. Its buffers are averaged as its weights are: BatchNorm's statistics.

    >>> from functools import partial
    >>> import torch
    >>> from torch import nn
    >>> from mini_ddpm.data import load
    >>> from mini_ddpm.diffusion import Diffusion
    >>> from mini_ddpm.losses import simple_loss
    >>> from mini_ddpm.sampling import ancestral_step, sample
    >>> from mini_ddpm.schedules import NoiseSchedule, cosine_betas
    >>> from mini_ddpm.training import TrainConfig, TrainState, train
    >>> class Own(nn.Module):
    ...     classes = 10
    ...
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.time, self.label = nn.Linear(1, 8), nn.Embedding(self.classes + 1, 8)
    ...         self.first, self.norm, self.last = nn.Conv2d(1, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 1, 3, 1, 1)
    ...
    ...     def forward(self, x_t, t, y):
    ...         h = self.first(x_t) + (self.time(t[:, None] / 100) + self.label(y))[:, :, None, None]
    ...         return self.last(torch.relu(self.norm(h)))
    >>> diffusion = Diffusion(NoiseSchedule.from_betas(cosine_betas(100)), steps=5)
    >>> config = TrainConfig(steps=2, batch_size=16, warmup_steps=0, label_dropout=0.1)
    >>> state = TrainState(Own(), config)
    >>> [step.step for step in train(diffusion, state, load("mnist-5k"), simple_loss, config)]
    [1, 2]
    >>> seven = partial(state.ema, y=torch.tensor([7, 7]))  # or `guidance.classifier_free`
    >>> *_, last = sample(ancestral_step, diffusion, seven, torch.randn(2, 1, 28, 28))
    >>> last.x_t.shape
    torch.Size([2, 1, 28, 28])
    """

    classes: int

    def __call__(self, x_t: Tensor, t: Tensor, *, y: Tensor) -> Tensor:
        """The prediction."""


class Step(NamedTuple):
    """The state after one reverse step: time `t`, `x_t` (B, C, H, W), and the `x_0` predicted on the way."""

    t: int
    x_t: Tensor
    x_0: Tensor


class StepFunction(Protocol):
    """One reverse step of a sampler: from x_t (B, C, H, W) at time t to the state at any earlier time s.

    Heun's method, on the path that DDIM takes. With the angle phi, cos(phi)^2 = alpha_bar, its slope dx / dphi is the
    velocity (2202.00512, appendix D). On Gaussian data N(0, 1/4), for which network and path are known exactly, ten
    such steps, the last of them DDIM's, come three times as close:

    >>> import torch
    >>> from mini_ddpm.diffusion import Diffusion, eps_from_x_0, predict_v, predict_x_0
    >>> from mini_ddpm.sampling import Step, ddim_step, sample, times
    >>> from mini_ddpm.schedules import NoiseSchedule, cosine_betas
    >>> def heun_step(diffusion, model, x_t, t, s):
    ...     def slope(x, alpha_bar, t):
    ...         x_0 = diffusion.predict(model, x, times(x, t)).x_0
    ...         return x_0, predict_v.target(x_0, eps_from_x_0(x, x_0, alpha_bar), alpha_bar)
    ...     a_t, a_s = diffusion.schedule.at(t), diffusion.schedule.at(s)
    ...     turn = float(a_s.sqrt().acos() - a_t.sqrt().acos())
    ...     x_0, v = slope(x_t, a_t, t)
    ...     if s == 0:
    ...         return Step(s, x_0, x_0)
    ...     return Step(s, x_t + turn * (v + slope(x_t + turn * v, a_s, s)[1]) / 2, x_0)
    >>> diffusion = Diffusion(NoiseSchedule.from_betas(cosine_betas(100)), predict_x_0, clip=None, steps=10)
    >>> def model(x_t, t):
    ...     alpha_bar_t = diffusion.schedule.at(t).float()
    ...     return alpha_bar_t.sqrt() / 4 / (alpha_bar_t / 4 + 1 - alpha_bar_t) * x_t
    >>> for step in ddim_step, heun_step:
    ...     *_, last = sample(step, diffusion, model, torch.ones(1, 1, 1, 1))
    ...     print(f"{step.__name__}: {float(last.x_t):.3f} instead of {1 / 2:.3f}")
    ddim_step: 0.427 instead of 0.500
    heun_step: 0.477 instead of 0.500
    """

    def __call__(self, diffusion: Diffusion, model: Model, x_t: Tensor, t: int, s: int, /) -> Step:
        """The state at time s."""


def classes_of(network: object) -> int:
    """The number of labels that a network is told; 0 where it says nothing of them."""
    return getattr(network, "classes", 0)


def check_network(network: nn.Module) -> None:
    """Look at a network before any work.

    Raises:
        ValueError: it has nothing to train, no number of classes, or can't be called as `Network` says.
    """
    name, classes = type(network).__name__, classes_of(network)
    if not isinstance(network, nn.Module):
        raise ValueError(f"a network must be an nn.Module, not {name}")
    if not any(weight.requires_grad for weight in network.parameters()):
        raise ValueError(f"{name} has nothing to train: none of its parameters asks for gradients")
    if type(classes) is not int or classes < 0:
        raise ValueError(f"{name}.classes must be the number of labels, 0 for none, not {classes!r:.60}")
    try:
        if type(network).forward is nn.Module.forward:
            raise TypeError("it has no forward")
        parameters = inspect.signature(network.forward)
        y = parameters.parameters.get("y")
        if y is not None and y.default is inspect.Parameter.empty and not hasattr(network, "classes"):
            raise TypeError("it takes y, but does not say how many classes there are")
        parameters.bind(*(["x_t", "t"]), **({"y": None} if classes else {}))
    except TypeError as error:
        raise ValueError(
            f"{name} must have forward(x_t, t), or forward(x_t, t, y) and `classes`, the number of labels: {error}"
        ) from None


@torch.no_grad()
def check_ends(network: nn.Module, T: int, x_t: Tensor) -> None:
    """Ask a network, as it is when it draws, at the last time and for the last label: its tables may be too short.

    Args:
        x_t: one image (1, C, H, W).

    Raises:
        ValueError: it looks beyond the end of a table.
    """
    classes, t = classes_of(network), torch.full((1,), T, device=x_t.device)
    asked = [(f"t = T = {T}", f"times run from 1 to T, so a table of them needs {T + 1} rows", t * 0)]
    if classes:
        end = f"the label {classes}, which means no label"
        asked.append((end, f"a table of labels needs {classes + 1} rows", t * 0 + classes))
    for end, rows, y in asked:
        try:
            network(x_t, t, y=y) if classes else network(x_t, t)
        except IndexError as error:
            raise ValueError(f"{type(network).__name__} fails at {end} ({error}): {rows}") from None
