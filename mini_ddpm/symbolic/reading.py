"""Lines of mathematics as text: read, and nothing else run. A line is an expression of known names, never a program."""

import ast
import re
from collections.abc import Mapping
from math import inf, prod
from typing import Any

import sympy
from sympy import Basic, Expr, Mul, Pow, factorial, preorder_traversal
from sympy.parsing.sympy_parser import parse_expr

KNOWN = "sqrt log exp Sum Product Integral Derivative Rational Abs Max Min Piecewise oo pi sin cos tanh"
KNOWN += " Trace Determinant Identity Eq"
PRODUCT = re.compile(r"[\w)]\s+[\w(]|\b\d+[a-zA-Z_(]")  # two things side by side
LARGEST = 10_000  # of a number in an exponent or under a factorial
ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Load, ast.Constant, ast.Subscript,
    ast.Tuple, ast.Attribute, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip
ATTRIBUTES = ("T", "I", "lhs", "rhs", "last")  # of matrices, facts and derivations


class UnknownName(ValueError):  # noqa: N818 - it says what is in the way
    """A line has a name that nobody gave: the second of its `args`."""

    def __str__(self) -> str:
        return self.args[0]


def read(text: str, names: Mapping[str, Any]) -> tuple[Expr, Expr]:
    """A line as it was written, and the same with SymPy's own simplifications.

    Raises:
        ValueError: it is no mathematics, or has a name that nobody gave.
    """
    local = {name: getattr(sympy, name) for name in KNOWN.split()} | dict(names)
    _check(text, local)
    try:
        written = parse_expr(text, local, evaluate=False)
        _check_size(written)
        expr = parse_expr(text, local)
    except ValueError:
        raise
    except Exception as error:  # SymPy raises whatever Python does
        raise ValueError(f"{text} can't be read as mathematics: {error}") from None
    if not isinstance(expr, Expr) or not isinstance(written, Expr):
        raise ValueError(f"{text} can't be read as mathematics: it is no single expression")
    return written, expr


def _check(text: str, local: Mapping[str, Any]) -> None:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = "a product is written with *" if PRODUCT.search(text) else getattr(error, "msg", error)
        raise ValueError(f"{text} can't be read as mathematics: {why}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.BitXor):
            raise ValueError(f"{text} can't be read as mathematics: a power is written **")
        if not isinstance(node, ALLOWED) or (isinstance(node, ast.Attribute) and node.attr not in ATTRIBUTES):
            raise ValueError(f"{text} can't be read as mathematics: it has {type(node).__name__}")
        if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)):
            raise ValueError(f"{text} can't be read as mathematics: it has {node.value!r}")
        size = abs(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) else 0
        if size and not 1e-30 < size < 1e30:
            raise ValueError(f"{text[:60]} can't be read as mathematics: write large and small numbers as powers")
        if isinstance(node, ast.Name) and node.id not in local:
            raise UnknownName(f"{node.id} in {text}: what is that? Make it a symbol first", node.id)


def _check_size(written: Basic) -> None:
    """No power or factorial that would take for ever to compute."""
    for node in preorder_traversal(written):
        size = node.exp if isinstance(node, Pow) else node.args[0] if isinstance(node, factorial) else None
        tower = isinstance(node, Pow) and node.is_number and _magnitude(node.base) == inf
        if size is not None and size.is_number and (tower or _magnitude(size) > LARGEST):
            raise ValueError(f"{size} is too large a number here")


def _magnitude(number: Basic) -> float:
    """About how large a number is, without computing it."""
    if not number.args:
        return abs(float(number)) if number.is_finite else inf
    parts = [_magnitude(part) for part in number.args]
    try:
        if isinstance(number, Pow):
            return parts[0] ** parts[1]
        return prod(parts) if isinstance(number, Mul) else inf if isinstance(number, factorial) else sum(parts)
    except (OverflowError, ZeroDivisionError):
        return inf
