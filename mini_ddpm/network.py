"""What a network has to be to be trained, drawn from and guided here. The U-Net is one; yours may be another."""

import inspect
from typing import Protocol

from torch import Tensor, nn


class Network(Protocol):
    """An `nn.Module` that is called as `network(x_t, t, y=y)`, and says how many labels it knows.

    x_t is (B, C, H, W), t (B,) int64 in 1..T, y (B,) int64 labels; label `classes` means "no label". The output has
    the shape of x_t, or twice its channels, the second half being rho. A module without labels needs neither `classes`
    nor y: it is called as `network(x_t, t)`. Its buffers are averaged as its weights are: BatchNorm's statistics.

    >>> from functools import partial
    >>> import torch
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
        if "y" in parameters.parameters and not hasattr(network, "classes"):
            raise TypeError("it takes y, but does not say how many classes there are")
        parameters.bind(*(["x_t", "t"]), **({"y": None} if classes else {}))
    except TypeError as error:
        raise ValueError(
            f"{name} must have forward(x_t, t), or forward(x_t, t, y) and `classes`, the number of labels: {error}"
        ) from None
