"""Derivations that a machine checks: a line is shown only after it was compared with the line before it.

    forward = forward_process()                              # the definitions
    d = Derivation(forward, alpha[t] * (1 - alpha_bar[t - 1]) + 1 - alpha[t])
    d.step(1 - alpha_bar[t], because="the recursion", using=[recursion(forward)])

Every step is first tried with numbers in many "worlds" (a difference raises `WrongStep`, a line without a number
`Unchecked`), then, if it can be, proved with normal forms. It is not a proof assistant: a line marked "checked" is
strong evidence, and only that. README.md explains it on one page.
"""

from mini_ddpm.symbolic.chains import KL, ChainTheory, Density, E_q, Path, p, q
from mini_ddpm.symbolic.definitions import Definition
from mini_ddpm.symbolic.derivation import Derivation, attempt
from mini_ddpm.symbolic.facts import Fact
from mini_ddpm.symbolic.gaussian import Expectation, complete_square, kl, log_density, normal_density
from mini_ddpm.symbolic.induction import Induction
from mini_ddpm.symbolic.notation import (
    T,
    alpha,
    alpha_bar,
    beta,
    d,
    eps,
    forward_process,
    i,
    recursion,
    s,
    snr,
    t,
    x,
)
from mini_ddpm.symbolic.theory import Theory
from mini_ddpm.symbolic.worlds import Unchecked, WrongStep

__all__ = [
    "KL",
    "ChainTheory",
    "Definition",
    "Density",
    "Derivation",
    "E_q",
    "Expectation",
    "Fact",
    "Induction",
    "Path",
    "T",
    "Theory",
    "Unchecked",
    "WrongStep",
    "alpha",
    "alpha_bar",
    "attempt",
    "beta",
    "complete_square",
    "d",
    "eps",
    "forward_process",
    "i",
    "kl",
    "log_density",
    "normal_density",
    "p",
    "q",
    "recursion",
    "s",
    "snr",
    "t",
    "x",
]
