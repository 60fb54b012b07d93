"""How a record came about: the command of this call, to be stored beside the machine."""

import shlex
import sys
from pathlib import Path


def command() -> str:
    """This call, as it can be typed in the clone."""
    return shlex.join(["python", f"tests/bench/{Path(sys.argv[0]).name}", *sys.argv[1:]])
