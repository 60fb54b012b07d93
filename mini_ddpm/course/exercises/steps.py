"""An exercise in which one writes a whole step of training, and the faults that such a step has."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mini_ddpm.course.exercises.implement import Implement

Lines = Callable[..., None]  # a part of the step, which is given the network, the average and the optimiser


class Line(nn.Module):
    """A network for points that is a straight line in x_t and in t."""

    def __init__(self) -> None:
        super().__init__()
        self.slope, self.bend = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.tensor(-0.2))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.slope * x_t + self.bend * t[:, None, None, None] / 100


class Steps(Implement):
    """A step of training, taken on each batch of a case: what comes of it are the weights and their average."""

    def outcome(self, function: Callable, case: tuple) -> Tensor:
        """All weights, then their averages."""
        network, average = Line(), Line()
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.05, weight_decay=0)
        with torch.enable_grad():
            for given in case:
                function(network, average, optimizer, *given)
        return torch.stack([weight.detach() for one in (network, average) for weight in one.parameters()])


def forget(network: Line, average: Line, optimizer: torch.optim.AdamW) -> None:
    optimizer.zero_grad()


def clip(network: Line, average: Line, optimizer: torch.optim.AdamW) -> None:
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)


def clip_each(network: Line, average: Line, optimizer: torch.optim.AdamW) -> None:
    nn.utils.clip_grad_value_(network.parameters(), 1.0)


def move(network: Line, average: Line, optimizer: torch.optim.AdamW) -> None:
    optimizer.step()


def average_of(network: Line, average: Line, optimizer: torch.optim.AdamW, share: float = 0.1) -> None:
    for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
        mean.data.lerp_(weight.data, share)


def step(
    *given: Any,
    before: Sequence[Lines] = (forget,),
    after: Sequence[Lines] = (clip, move, average_of),
    power: float = 0.5,
    whole: Callable[[Tensor], Tensor] = torch.mean,
) -> None:
    network, average, optimizer, x_0, t, eps, bar = given
    loss = whole((eps - network(bar**power * x_0 + (1 - bar) ** power * eps, t)).square())
    for line in before:
        line(network, average, optimizer)
    loss.backward()
    for line in after:
        line(network, average, optimizer)


def batch(seed: int, far: float) -> tuple[Tensor, ...]:
    """Points, times, noise and alpha-bar; the farther the points, the longer the gradient."""
    draw = torch.Generator().manual_seed(seed)
    x_0, eps = (torch.randn(16, 1, 1, 1, generator=draw) for _ in range(2))
    t = torch.randint(1, 101, (16,), generator=draw)
    return far * x_0, t, eps, 1 - t.reshape(-1, 1, 1, 1) / 101
