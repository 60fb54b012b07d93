"""python -m mini_ddpm.labs release | grade FOLDER | export, in the folder of the labs."""

from pathlib import Path

import click

from mini_ddpm.labs.course import Course

LABS = click.option(
    "--labs", type=click.Path(path_type=Path, exists=True), default=".", help="the instructor's versions"
)
BUILD = click.option("--build", type=click.Path(path_type=Path), default="../../build", help="where results go")


@click.group()
def main() -> None:
    """Labs: make the students' versions, and grade what they hand in."""


@main.command()
@LABS
@BUILD
def release(labs: Path, build: Path) -> None:
    """Make the students' versions."""
    Course(labs, build).release()
    click.echo(f"made {build / 'labs'}")


@main.command()
@LABS
@BUILD
@click.option("--seconds", type=float, help="for a cell, unless its lab says otherwise; 30 by default")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def grade(labs: Path, build: Path, seconds: float | None, folder: Path) -> None:
    """Grade FOLDER/STUDENT/NN_name.ipynb, and write feedback and tables of points."""
    course = Course(labs, build, seconds)
    for line in course.grade(folder):
        click.echo(line)
    click.echo(f"feedback and tables are in {course.grading}")


@main.command()
@LABS
@BUILD
def export(labs: Path, build: Path) -> None:
    """Write feedback and tables anew, as after grading by hand."""
    Course(labs, build).export()


if __name__ == "__main__":
    main()
