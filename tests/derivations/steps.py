"""What a step of the corpus is, and the theories that several of its files share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sympy import Expr

from mini_ddpm.symbolic import ChainTheory, Derivation, Fact, Theory, forward_process


@dataclass(frozen=True)
class Step:
    """One claim, `before relation after`, in a theory.

    Attributes:
        kind: what the step does, or what is wrong with it, in a few words; steps are counted by kind.
        given: makes the theory, and the facts that may be used; afresh, so that no step sees another's definitions.
        reason: of a false step: a case in which it fails; of a true one: why it holds.
    """

    kind: str
    before: Expr
    after: Expr
    reason: str
    relation: str = "="
    given: Callable[[], tuple[Theory, Sequence[Fact]]] = lambda: (Theory(), ())

    def mark(self) -> str:
        """What the checker says of it: "proved" or "checked"; otherwise it raises WrongStep or Unchecked."""
        theory, facts = self.given()
        derivation = Derivation(theory, self.before).step(self.after, using=facts, relation=self.relation)
        return derivation.lines[-1].mark


def forward() -> tuple[Theory, Sequence[Fact]]:
    """beta = 1 - alpha, alpha_bar a product, SNR."""
    return forward_process(), ()


def chains() -> tuple[Theory, Sequence[Fact]]:
    """Densities q and p of Markov chains."""
    return ChainTheory(), ()


def assuming(*conditions: Expr) -> Callable[[], tuple[Theory, Sequence[Fact]]]:
    """The forward process under conditions, such as T >= 2 or rho < 1."""

    def given() -> tuple[Theory, Sequence[Fact]]:
        theory = forward_process()
        theory.assume(*conditions)
        return theory, ()

    return given
