"""The course's symbols, and the forward process they describe. The appendix A_notation has each of them."""

from sympy import Function, IndexedBase, Product, symbols

from mini_ddpm.symbolic.facts import Fact
from mini_ddpm.symbolic.theory import Theory

t, T, s = symbols("t T s", integer=True, positive=True)  # a time, the last time, an earlier or running time
i, d = symbols("i d", integer=True, positive=True)  # a coordinate, and how many there are
alpha = IndexedBase("alpha", positive=True)
beta = IndexedBase("beta", positive=True)
alpha_bar = IndexedBase("alpha_bar", positive=True)
x = IndexedBase("x", real=True)
eps = symbols("epsilon", real=True)
snr = Function("SNR", positive=True)


def forward_process() -> Theory:
    """alpha_t = 1 - beta_t, alpha_bar_t = alpha_1 ... alpha_t, SNR(t) = alpha_bar_t / (1 - alpha_bar_t).

    Source: DDPM (2006.11239), section 2; the signal-to-noise ratio: VDM (2107.00630).
    """
    theory = Theory()
    theory.define(beta[t], 1 - alpha[t])
    theory.define(alpha_bar[t], Product(alpha[s], (s, 1, t)))
    theory.define(snr(t), alpha_bar[t] / (1 - alpha_bar[t]))
    return theory


def recursion(theory: Theory) -> Fact:
    """alpha_bar_t = alpha_t alpha_bar_{t-1}, checked in the theory."""
    return Fact(theory, alpha_bar[t], alpha[t] * alpha_bar[t - 1], because="take the last factor out")
