"""Conditions and cases, as numbers decide them."""

from typing import TYPE_CHECKING

import sympy
from mpmath import mp, mpf
from sympy import Basic, Piecewise
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Not, Or

from mini_ddpm.symbolic.environment import Env
from mini_ddpm.symbolic.worlds import NoValue, Unchecked

if TYPE_CHECKING:
    from mini_ddpm.symbolic.interpreter import Interpreter


def piecewise(there: "Interpreter", expr: Piecewise, env: Env) -> mpf:
    for k, (value, condition) in enumerate(expr.args):
        if truth(there, condition, env):
            there.outcomes.setdefault(str(expr), set()).add(k)
            return there(value, env)
    raise NoValue(f"{expr} has no case for world {there.world.number}: add a last one, (value, True)")


def truth(there: "Interpreter", condition: Basic, env: Env) -> bool:
    """Whether a condition holds."""
    if condition in (sympy.true, sympy.false):
        return bool(condition)
    if isinstance(condition, (And, Or, Not)):
        parts = [truth(there, part, env) for part in condition.args]
        return {"And": all, "Or": any, "Not": lambda x: not x[0]}[type(condition).__name__](parts)
    if not isinstance(condition, Relational):
        raise Unchecked(f"the condition {condition} can't be decided: compare two numbers, as in y > 0")
    a, b = there(condition.lhs, env), there(condition.rhs, env)
    close = abs(a - b) <= mp.eps * 2**20 * (abs(a) + abs(b))
    relation = condition.rel_op
    if close:
        return relation in ("==", "<=", ">=")
    return {"==": False, "!=": True}.get(relation, (a < b) == ("<" in relation))
