"""What configurations are checked for when they are made, from Python, the command line or a file."""

from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)  # a field is what it says: no bool for an int
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[int, Field(ge=1, le=4096)]  # of a network's parts: with such sizes it can at least be described
Count = Annotated[int, Field(ge=0, le=2**20)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Octave = Annotated[int, Field(ge=0, le=16)]  # the 16th tells a 65,536th of the range apart


def in_one_line(error: Exception) -> str:
    """What an error says; of a configuration's errors, the first, with the name of its field."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}".removeprefix(": ")
    return f"{place}: {first['msg']}, not {first['input']!r:.60}"
