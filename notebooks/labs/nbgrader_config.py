"""The settings of nbgrader, for its commands and its formgrader when they start in this folder."""

from pathlib import Path

from mini_ddpm.labs.course import config

labs = Path(__file__).parent
c = get_config()  # nbgrader gives it
c.merge(config(labs, labs.parent.parent / "build"))
