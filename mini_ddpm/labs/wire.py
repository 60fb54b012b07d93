"""Numbers between two kernels, as text; nothing that could run travels."""

import json
import re
import traceback
from collections.abc import Mapping
from typing import Any

import numpy as np

LARGEST = 50_000_000  # letters of an answer
Plain = None | bool | int | float | str | list | dict


def packed(value: Any) -> Plain:
    """A value as lists, numbers and text; arrays and tensors as lists, with a mark that they were arrays.

    Raises:
        TypeError: it is neither a number, nor text, nor made of these.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {"dict": [[str(key), packed(one)] for key, one in value.items()]}
    if isinstance(value, (list, tuple)):
        return [packed(one) for one in value]
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        return {"array": value.tolist()}
    try:
        return float(value)  # a number of SymPy, say
    except Exception:
        raise TypeError(f"a {type(value).__name__} is no number") from None


def unpacked(plain: Plain) -> Any:
    """The value again; what was an array or a tensor is an array of float64."""
    if isinstance(plain, dict):
        if "array" in plain:
            return np.asarray(plain["array"], dtype=float)
        return {key: unpacked(one) for key, one in plain["dict"]}
    return [unpacked(one) for one in plain] if isinstance(plain, list) else plain


def reply(code: str, given: str, names: dict[str, Any], instead: Mapping[str, str] | None = None) -> str:
    """The value of an expression as text, or what it raised.

    Args:
        code: the expression.
        given: names and values that it may use, packed.
        names: the other names that it may use: those of the notebook.
        instead: expressions whose values stand under these names of the notebook meanwhile.
    """
    before = {name: names[name] for name in instead or {} if name in names}
    try:
        names.update({name: eval(text, {}) for name, text in (instead or {}).items()})
        here = {**names, **unpacked(json.loads(given))}
        return json.dumps({"value": packed(eval(code, here))})
    except Exception as error:  # a learner's code may raise anything, and is told what
        return json.dumps({"error": f"{type(error).__name__}: {error}"[:500] + _line_of(error)})
    finally:
        for name in instead or {}:
            names.pop(name, None)
        names.update(before)


def _line_of(error: Exception) -> str:
    """The line of a cell where it was raised, if the cell is the learner's."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [one.line for one in frames if one.line and re.search(r"ipykernel_|ipython-input", one.filename)]
    return f" (in your line: {lines[-1].strip()[:100]})" if lines else ""
