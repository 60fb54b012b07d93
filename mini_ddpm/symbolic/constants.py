"""Equal up to what does not depend on a variable, as when a square is completed: log q = -(x - m)^2 / (2 v) + const.

f(x) = g(x) + const for all x if, and only if, f(x) - f(y) = g(x) - g(y) for all x and y: lines are compared as ever.
"""

from typing import TYPE_CHECKING

from sympy import Expr, Indexed, IndexedBase, Symbol
from sympy.concrete.expr_with_limits import ExprWithLimits

from mini_ddpm.symbolic.binders import check_seen
from mini_ddpm.symbolic.generators import NoForm
from mini_ddpm.symbolic.normal import EVERYWHERE, Normal
from mini_ddpm.symbolic.products import Products
from mini_ddpm.symbolic.worlds import Unchecked, is_fraction

if TYPE_CHECKING:
    from mini_ddpm.symbolic.theory import Theory


def change(theory: "Theory", f: Expr, x: Expr) -> Expr:
    """f(x) - f(y), where y is another name of x.

    Raises:
        Unchecked: something in f may be x and is not written so.
    """
    f = theory.unfold_some(f)
    bound = {v for node in f.atoms(ExprWithLimits) for v in node.variables}
    try:
        check_seen(Normal(theory, Products({})), f, x, EVERYWHERE)
    except NoForm as error:
        other = error.args[0] if error.args else f
        raise Unchecked(f"{other} may be, or have, {x} in some case: theory.assume(...) that it is not") from None
    if bound & x.free_symbols:
        raise Unchecked(f"{x} has the name of an index of a sum in {f}: rename that")
    return f - f.xreplace({x: other_name(x)})


def other_name(x: Expr) -> Expr:
    """A second name for a variable, with the same assumptions."""
    if isinstance(x, Indexed) and not is_fraction(x):
        return IndexedBase(f"{x.base}'", real=True, positive=x.is_positive or None)[x.indices]
    if not isinstance(x, Symbol) or x.is_integer:
        raise Unchecked(f"lines are compared up to what does not depend on a symbol or on an x[t], not on {x}")
    return Symbol(f"{x}'", **x.assumptions0)
