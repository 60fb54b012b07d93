"""Installed, not cloned: the wheel holds what git tracks, the sdist makes the same one, and it works alone."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
LITTER = ("data/__pycache__/old.pyc", "data/.ipynb_checkpoints/README.md", "data/weights/.12-half-written.safetensors")


def tracked(*folders):
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def build(tree, kind, out):
    """Build a tree as pip does (PEP 517), with the setuptools that is installed here; returns the file."""
    command = [sys.executable, "-c", BUILD, kind, str(out)]
    run = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return out / run.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what git tracks, and what lies about where somebody has worked."""
    copy = tmp_path_factory.mktemp("tree")
    for name in (*tracked(), *LITTER):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name) if name not in LITTER else (copy / name).touch()
    return copy


@pytest.fixture(scope="module")
def wheel(tree, tmp_path_factory):
    return build(tree, "build_wheel", tmp_path_factory.mktemp("wheel"))


def contents(path):
    """name -> bytes of every file in a wheel, but for RECORD, which is a list of the others."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("RECORD")}


def test_the_wheel_holds_what_git_tracks_and_nothing_else(wheel):
    expected = {name: (ROOT / name).read_bytes() for name in tracked("mini_ddpm", "data")}
    expected = {re.sub("^data/", "mini_ddpm_data/", name): content for name, content in expected.items()}
    found = contents(wheel)
    about = {name for name in found if ".dist-info/" in name}
    assert {name: found[name] for name in found.keys() - about} == expected
    assert [name for name in about if name.endswith("LICENSE")]


def test_the_sdist_makes_the_same_wheel(tree, wheel, tmp_path):
    sdist = build(tree, "build_sdist", tmp_path)
    shutil.unpack_archive(sdist, tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert contents(build(unpacked, "build_wheel", tmp_path)) == contents(wheel)


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Runs a command where only the wheel is installed, in an empty folder and with an empty home; (status, text).

    torch and the others are borrowed from this environment: a line in a .pth file makes them importable, but not the
    clone, which hangs on a .pth file of its own there.
    """
    folder, home, here = (tmp_path_factory.mktemp(name) for name in ("installed", "home", "empty"))
    venv.create(folder)
    paths = sysconfig.get_paths("venv", vars={"base": str(folder), "platbase": str(folder)})
    python = Path(paths["scripts"]) / Path(sys.executable).name
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True)
    (Path(paths["purelib"]) / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MINI_DDPM", "XDG"))}
    ours |= {name: str(home) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA")}
    ours |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")  # nothing may be downloaded

    def command(*words):
        words = [str(Path(paths["scripts"]) / words[0]), *words[1:]]
        done = subprocess.run(words, cwd=here, env=ours, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return command


COMMANDS = {  # what is typed, and how the answer ends or what is in it
    "mini-ddpm presets": "cifar10-ddpm",
    "mini-ddpm sample mnist --n 1 --steps 2 --device cpu": "samples.png",
    "mini-ddpm train --preset tiny --steps 3 --device cpu": "fd_ratio",
    "mini-ddpm evaluate runs/tiny --n 20 --device cpu": "accuracy",
}


def test_commands_work_away_from_the_clone(run):
    for line, expected in COMMANDS.items():
        status, text = run(*line.split())
        assert status == 0, f"{line}: {text}"
        assert expected in text, line
    status, text = run("mini-ddpm", "sample", "nowhere")
    assert status == 1
    assert text.rstrip().endswith("cifar10, mnist, mnist-improved")


LIBRARY = """
import mini_ddpm, mini_ddpm_data
from mini_ddpm.data import load, some_cifar10
from mini_ddpm.files import shipped
from mini_ddpm.measure import extractors, load_reference
print(len(load("mnist-5k").images), len(some_cifar10().images))
print(type(load_reference().judge).__name__, type(extractors.load_cifar_judge()).__name__)
print(shipped("bench/steps.json").is_file())
print(mini_ddpm.__file__, mini_ddpm_data.__file__)
"""


def test_images_and_judges_are_found_away_from_the_clone(run):
    status, text = run("python", "-c", LIBRARY)
    assert status == 0, text
    *found, files = text.splitlines()
    assert found == ["4000 100", "Judge CifarJudge", "True"]
    assert str(ROOT) not in files
    assert files.count("installed") == 2  # the environment's folder
