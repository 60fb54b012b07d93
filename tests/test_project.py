"""The files around the package hold together."""

import ast
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from rattler import MatchSpec
from torch.distributed.run import get_args_parser

import notebooks
from mini_ddpm.__main__ import cli
from mini_ddpm.runs.presets import preset

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA_NAMES = {"torch": "pytorch"}


def requirements():
    """name -> bound, of every dependency in pyproject.toml."""
    extras = PROJECT["optional-dependencies"].values()
    every = [*PROJECT["dependencies"], *(line for extra in extras for line in extra if "mini-ddpm" not in line)]
    return {re.split(r"[<>=!~]", line)[0].lower(): re.sub(r"^[\w.-]+", "", line) for line in every}


def conda_lines():
    return [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]


def test_environment_is_conda_forge_only():
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("line", conda_lines())
def test_environment_agrees_with_pyproject(line):
    spec = MatchSpec(line)
    expected = {CONDA_NAMES.get(name, name): bound for name, bound in requirements().items()}
    expected |= {"python": PROJECT["requires-python"], "pip": ""}
    name = spec.name.normalized if hasattr(spec.name, "normalized") else str(spec.name)
    assert name in expected
    assert str(spec.version or "") == expected[name]
    assert spec.build is None  # no pin on a CUDA build


def test_environment_installs_this_package():
    (pip,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-e .[notebooks,test]"]
    assert set(PROJECT["optional-dependencies"]) == {"notebooks", "features", "fid", "test", "browser"}


def test_every_dependency_has_a_tested_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    assert pins.keys() == requirements().keys()
    assert pins["torch"] == "2.13.0"
    for name, bound in requirements().items():
        least, pin = (tuple(map(int, re.findall(r"\d+", text))) for text in (bound, pins[name]))
        assert pin >= least, name


def test_make_help_lists_every_target():
    text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[0] for line in text.splitlines() if line and not line.startswith("make")}
    targets = "help setup lab train test test-browser check format bench bench-steps bench-quality bench-gpu clean"
    assert listed == set(targets.split())


def test_readme_links_lead_somewhere():
    for page in ("README.md", "CONTRIBUTING.md", "data/README.md"):
        text = (ROOT / page).read_text()
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("http") or ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def commands_in(text):
    """Commands of this package that Markdown tells its readers to type: in `...`, or a line of a block.

    A command's bare name is a mention, and one with placeholders (RUN, [--n 2000]) is a synopsis.
    """
    shown = re.findall(r"`((?:torchrun|mini-ddpm|\.venv/bin/mini-ddpm) [^`]+)`", text)
    shown += re.findall(r"^(?:!|\.venv/bin/)?((?:torchrun|mini-ddpm) .+)$", text, flags=re.MULTILINE)
    words = [shlex.split(line, comments=True) for line in shown]
    placeholder = re.compile(r"^[A-Z]+$|[\[\]|]|\.\.\.")
    return [command for command in words if len(command) > 2 and not any(map(placeholder.search, command))]


def all_commands():
    """(page, words) of each command in README, the data's pages and the notebooks."""
    pages = [(path, path.read_text()) for path in [ROOT / "README.md", *sorted(ROOT.glob("data/**/*.md"))]]
    for path in notebooks.ALL:
        prose = [cell.source for cell in notebooks.read(path).cells if cell.cell_type == "markdown"]
        pages.append((path, "\n\n".join(prose)))
    return [(str(path.relative_to(ROOT)), command) for path, text in pages for command in commands_in(text)]


@pytest.mark.parametrize(
    ("page", "command"), [pytest.param(*c, id=f"{c[0]}: {' '.join(c[1])}") for c in all_commands()]
)
def test_commands_are_understood(page, command):
    if command[0] == "torchrun":
        given = get_args_parser().parse_args(command[1:])
        assert (given.module, given.training_script) == (True, "mini_ddpm")
        command = ["mini-ddpm", *(word for word in given.training_script_args if word != "--")]
    name, *options = command[1:]
    given = cli.commands[name].make_context(name, options).params
    assert "preset" not in given or preset(given["preset"])


def test_pages_show_commands():
    found = [" ".join(command) for _, command in all_commands()]
    assert len(found) > 15
    assert any(command.startswith("torchrun") and " --n " in command for command in found)


def test_the_synopsis_names_options_that_exist():
    synopsis = re.search(r"## The command line\n+```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    for usage in re.split(r"^mini-ddpm ", synopsis, flags=re.MULTILINE)[1:]:
        name, listed = usage.split()[0], set(re.findall(r"--[a-z]+", usage))
        offered = {flag for option in cli.commands[name].params for flag in option.opts if flag.startswith("--")}
        assert listed <= offered, f"{name}: {listed - offered}"


FRONT = ["schedules", "diffusion", "losses", "unet", "files", "data", "parallel", "training", "sampling", "guidance"]
FRONT = ["inputs", *FRONT, "classifier"]
MEASURE = ["distances", "judges", "extractors", "digits", "colour", "likelihood"]
RUNS = ["presets", "device", "classifiers", "trained", "options", "drawing", "pictures", "folder", "results"]
HOUSE = [*FRONT, *(f"measure.{room}" for room in MEASURE), "measure", *(f"runs.{room}" for room in RUNS), "runs"]


def modules():
    """name -> the modules of this package that it imports."""
    files = {path.relative_to(ROOT).with_suffix(""): path for path in (ROOT / "mini_ddpm").rglob("*.py")}
    paths = {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}
    imports = {}
    for name, path in paths.items():
        nodes = list(ast.walk(ast.parse(path.read_text())))
        whole = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{each.name}" for each in node.names}
                whole |= {each if each in paths else node.module for each in inner}
        imports[name.removeprefix("mini_ddpm.")] = {each.removeprefix("mini_ddpm.") for each in whole & {*paths}}
    return imports


def test_imports_point_down_one_way():
    """The layout's arrows: a module imports only what stands before it; the symbolic house stands alone."""
    imports = modules()
    order = [*HOUSE, "course", *sorted(name for name in imports if name.startswith("course."))]
    symbolic = {name for name in imports if name.startswith("symbolic")}
    assert {*order} | symbolic | {"mini_ddpm", "__main__"} == imports.keys()
    assert not any(imports["mini_ddpm"])
    for i, module in enumerate(HOUSE):
        assert imports[module] <= {*HOUSE[:i]}, f"{module} imports {imports[module] - {*HOUSE[:i]}}"
    assert imports["__main__"] <= {*HOUSE}
    for module, used in imports.items():
        assert (used <= symbolic) if module in symbolic else not used & symbolic, module


def test_no_file_is_long():
    """A house of small rooms: 300 lines, and 330 for the network, which is one thing."""
    package = ROOT / "mini_ddpm"
    lengths = {str(path.relative_to(package)): len(path.read_text().splitlines()) for path in package.rglob("*.py")}
    assert lengths.pop("unet.py") <= 330
    assert not {name: n for name, n in lengths.items() if n > 300}
