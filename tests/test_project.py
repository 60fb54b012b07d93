"""The files around the package hold together."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from rattler import MatchSpec

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


def test_the_symbolic_part_and_the_package_import_one_way():
    """The layout's arrows: each module imports only what stands before it."""
    order = ["schedules", "diffusion", "losses", "unet", "data", "files", "parallel", "training", "sampling", "judge"]
    order += ["extractors", "evaluation"]
    for i, module in enumerate(order):
        text = (ROOT / "mini_ddpm" / f"{module}.py").read_text()
        imported = re.findall(r"^from mini_ddpm(?:\.| import )(\w+)", text, re.MULTILINE)
        assert set(imported) <= set(order[:i]), f"{module} imports {imported}"
