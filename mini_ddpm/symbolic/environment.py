"""What is bound where an expression stands: the indices of sums, the variables of means, the places of definitions."""

from collections.abc import Mapping
from functools import lru_cache

from sympy import Symbol


class Env(dict):
    """What is bound: numbers by symbol or, of indexed quantities, by printed name; `names` has them without indices."""

    names: frozenset[str] = frozenset()

    def binding(self, more: Mapping) -> "Env":
        """This, and more."""
        inner = Env({**self, **more})
        inner.names = self.names.union(map(name_of, more))
        return inner


@lru_cache(10_000)
def name_of(key: object) -> str:
    """The name of what is bound, without its indices."""
    return str(key) if isinstance(key, Symbol) else str(key).split("[")[0]


NOTHING = Env()
