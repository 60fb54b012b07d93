"""One line for the code of a cell: what it does, for a reader who leaves it folded."""

import ast
import re
from functools import cache
from pathlib import Path

COURSE = Path(__file__).parents[1] / "mini_ddpm" / "course"


def one_line(source: str) -> str:
    """What the code of a cell does."""
    if source.startswith("%%derive"):
        head, *lines = source.splitlines()
        how = " by induction" if "induction" in head else ""
        steps = sum(bool(re.match(r"(=|>=|<=|~)", line)) for line in lines)
        return f"The derivation{how}, as it is typed: {steps} step{'s' * (steps > 1)}"
    tree = ast.parse(re.sub(r"^(\s*)%.*", r"\1pass", source, flags=re.M))
    parts = [*_shown(tree), *_defined(tree)]
    if not parts and (names := _assigned(tree)):
        parts.append(f"{'sets up' if 'import ' in source else 'computes'} {_listed(names)}")
    if _calls(tree, "print"):
        parts.append("prints the numbers below" if parts else "prints numbers")
    if any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        parts.append("checks what is claimed")
    if not parts:
        parts = ["sets up: imports, names and settings" if "import" in source else f"runs {source.splitlines()[-1]}"]
    line = "; ".join(parts)
    return line[0].upper() + line[1:]


def _calls(tree: ast.AST, *names: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) in names]


def _shown(tree: ast.Module) -> list[str]:
    """What the course's own function does, by its docstring, where one is called for its picture or table."""
    found = []
    for statement in tree.body:
        node = getattr(statement, "value", None) if isinstance(statement, ast.Expr) else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            module, name = getattr(node.func.value, "id", ""), node.func.attr
            said = _said(module).get(name, "")
            if said:
                found.append(f"{'draws' if re.match('draw|animation|sheet', name) else 'shows'} {said}")
    return sorted(found)[:1]  # a picture before anything else


@cache
def _said(module: str) -> dict[str, str]:
    """name -> the first sentence of its docstring, for the functions of a module of the course."""
    path = COURSE / f"{module}.py"
    if not path.exists():
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {one.name: _first_sentence(ast.get_docstring(one) or "") for one in functions}


def _first_sentence(docstring: str) -> str:
    words = re.split(r"\.(?:\s|$)", docstring.partition("\n")[0])[0]
    return words[:1].lower() + words[1:] if words[1:2].islower() or words[1:2] == " " else words


def _defined(tree: ast.Module) -> list[str]:
    """Functions and classes that a cell writes."""
    names = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return [f"writes {_listed(names)}"] if names else []


def _assigned(tree: ast.Module) -> list[str]:
    """Names that a cell gives to results."""
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                targets = target.elts if isinstance(target, ast.Tuple) else [target]
                names += [one.id for one in targets if isinstance(one, ast.Name) and one.id not in names]
    return names


def _listed(names: list[str]) -> str:
    *first, last = names[:3] + ["more"] * (len(names) > 3)
    return f"{', '.join(first)} and {last}" if first else last
