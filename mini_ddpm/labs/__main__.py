"""python -m mini_ddpm.labs release | grade FOLDER | export, in the folder of the labs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mini_ddpm.labs.course import Course

LABS = click.option(
    "--labs", type=click.Path(path_type=Path, exists=True), default=".", help="the instructor's versions"
)
BUILD = click.option(
    "--build", type=click.Path(path_type=Path), help="where results go; build, two folders above the labs, by default"
)


@click.group()
def main() -> None:
    """Labs: make the students' versions, and grade what they hand in."""


@main.command()
@LABS
@BUILD
def release(labs: Path, build: Path | None) -> None:
    """Make the students' versions."""
    course = _course(labs, build)
    with _plainly():
        course.release()
    click.echo(f"made {course.build / 'labs'}")


@main.command()
@LABS
@BUILD
@click.option("--seconds", type=float, help="for a cell, unless its lab says otherwise; 30 by default")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def grade(labs: Path, build: Path | None, seconds: float | None, folder: Path) -> None:
    """Grade FOLDER/STUDENT/NN_name.ipynb, and write feedback and tables of points."""
    course = _course(labs, build, seconds)
    with _plainly():
        for line in course.grade(folder):
            click.echo(line)
    click.echo(f"feedback and tables are in {course.grading}")


@main.command()
@LABS
@BUILD
def export(labs: Path, build: Path | None) -> None:
    """Write feedback and tables anew, as after grading by hand."""
    course = _course(labs, build)
    with _plainly():
        course.export()
    click.echo(f"feedback and tables are in {course.grading}")


def _course(labs: Path, build: Path | None, seconds: float | None = None) -> Course:
    if not (labs / "STUDENTS.md").exists():
        raise click.ClickException(f"no labs in {labs.resolve()}: say where they are, as --labs notebooks/labs")
    return Course(labs, build or labs.resolve().parent.parent / "build", seconds)


@contextmanager
def _plainly() -> Iterator[None]:
    """Say in a line what is wrong with the labs."""
    try:
        yield
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
