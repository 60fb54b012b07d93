"""The files around the package hold together."""

import ast
import json
import re
import shlex
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import readme
import torch
import yaml
from rattler import MatchSpec
from torch.distributed.run import get_args_parser

import notebooks
from mini_ddpm import measure, runs
from mini_ddpm.commands import cli
from mini_ddpm.data import load, to_model
from mini_ddpm.runs import results
from mini_ddpm.runs.presets import preset

ROOT = Path(__file__).parent.parent


def text_of(path):
    return path.read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
ENVIRONMENT = yaml.safe_load(text_of(ROOT / "environment.yml"))
PINS = dict(line.lower().split("==") for line in text_of(ROOT / "constraints.txt").splitlines() if "==" in line)
README = text_of(ROOT / "README.md")
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
    newest = max(int(minor) for minor in re.findall(r'"3\.(\d+)"', text_of(ROOT / ".github/workflows/ci.yml")))
    expected |= {"python": f"{PROJECT['requires-python']},<3.{newest + 1}", "pip": ""}  # as far as CI tests
    name = spec.name.normalized if hasattr(spec.name, "normalized") else str(spec.name)
    assert name in expected
    assert str(spec.version or "") == expected[name]
    assert spec.build is None  # no pin on a CUDA build


def test_environment_installs_this_package():
    (pip,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-e .[notebooks,test]"]
    assert set(PROJECT["optional-dependencies"]) == {"notebooks", "features", "fid", "test", "labs", "browser", "site"}


def test_every_dependency_has_a_tested_version():
    assert PINS.keys() == requirements().keys()
    assert PINS["torch"] == "2.13.0"
    for name, bound in requirements().items():
        least, pin = (tuple(map(int, re.findall(r"\d+", text))) for text in (bound, PINS[name]))
        assert pin >= least, name


@pytest.mark.skipif(sys.platform == "win32", reason="make is for the others")
def test_make_help_lists_every_target():
    text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[0] for line in text.splitlines() if line and not line.startswith("make")}
    targets = "help setup lab labs grade export train site serve test test-labs test-long test-browser test-site readme"
    targets += " check format clean"
    targets += " bench bench-steps bench-operators bench-growth bench-calls bench-recipe bench-quality bench-gpu"
    assert listed == set(targets.split())


def test_the_version_is_the_same_everywhere():
    newest = re.search(r"^## \[(\d.*?)\]", text_of(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)[1]
    assert yaml.safe_load(text_of(ROOT / "CITATION.cff"))["version"] == newest == PROJECT["version"]


def test_a_commit_is_checked_as_ci_checks_it():
    (repository,) = yaml.safe_load(text_of(ROOT / ".pre-commit-config.yaml"))["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["entry"]) == ("local", "make check")  # nothing to download
    assert "\nmake test\n" in text_of(ROOT / ".ci/run")
    assert re.search(r"^test:.* check\b", text_of(ROOT / "Makefile"), flags=re.MULTILINE)


# --- pages ---------------------------------------------------------------------------------------------

PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md"]
PAGES += ["mini_ddpm/symbolic/README.md", "notebooks/labs/README.md", "notebooks/labs/STUDENTS.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("data/**/*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = text_of(ROOT / page)
    places = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)", text, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        found = target[1:] in places if target.startswith("#") else ((ROOT / page).parent / target).exists()
        assert target.startswith("http") or found, target


def test_readme_is_in_the_order_that_a_reader_needs():
    assert README.index("![") < README.index("A course on") < README.index("\n## ")  # the picture, and what it is
    titles = re.findall(r"^## (.*)", README, flags=re.MULTILINE)
    assert titles[:6] == ["Two commands", "The course", "Install", "The command line", "Your own images", "In Python"]
    assert re.search(r"## Two commands\n+```sh\n.*\n.*\n```", README)


def test_readme_prints_the_figures_that_are_printed(monkeypatch):
    trained = runs.open_run("mnist", torch.device("cpu"))
    digits = to_model(load("mnist-5k", "train").images)
    monkeypatch.setattr(results, "draw_many", lambda trained, labels, n, seed: digits[:n])
    figures = results.evaluate(trained, 2000, seed=0)
    table = re.search(r"prints the numbers:\n+```\n(.*?)```", README, flags=re.DOTALL)[1]
    assert [line.split()[0] for line in table.splitlines()] == [*figures, "training_steps", "train_seconds"]


def test_readme_shows_what_help_says():
    assert readme.updated(README) == README, "run `python tests/readme.py`"


def test_readmes_example_draws_the_digits_that_it_asks_for(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {}
    exec(code, names)
    assert Path("digits.png").exists()
    _, read_as = measure.judge_features(measure.load_reference().judge, names["step"].x_t)
    assert (read_as == torch.arange(10)).sum() >= 9


def blocks():
    """language -> lines, of each block of README that has a language."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return [(language, text.splitlines()) for language, text in found]


def test_windows_installs_what_the_others_install():
    (posix,) = (lines for name, lines in blocks() if name == "sh" and len(lines) > 2)
    (windows,) = (lines for name, lines in blocks() if name == "bat")
    own = {"python3 -m venv .venv": "py -3.12 -m venv .venv", ". .venv/bin/activate": r".venv\Scripts\activate"}
    assert [own.get(line, line) for line in posix] == windows


def pip_lines():
    """Every pip command that README tells its readers to type."""
    shown = re.findall(r"`([^`\n]*pip install[^`\n]*)`", README)
    return [*shown, *re.findall(r"^(.*-m pip install.*)$", re.sub("`[^`\n]+`", "", README), flags=re.MULTILINE)]


@pytest.mark.parametrize("line", pip_lines())
def test_pip_lines_work_in_every_shell(line):
    """cmd.exe knows no single quotes and no &&; files are those of this project; torch is the one that is pinned."""
    assert not {"'", "&", ";"} & {*line}
    assert re.match(r"(python -m |%)pip install ", line)
    for file in re.findall(r"-c (\S+)", line):
        assert (ROOT / file).exists()
    for version in re.findall(r"torch==(\S+)", line):
        assert version == PINS["torch"]  # so that the constraints keep the build that was chosen


def test_readme_shows_pip_lines_and_extras_that_exist():
    assert len(pip_lines()) > 6
    shown = re.findall(r"[\w.]\[([\w,]+)\]", README)
    assert shown
    assert {extra for extras in shown for extra in extras.split(",")} <= {*PROJECT["optional-dependencies"]}


def test_the_page_of_measurements_says_how_good_digits_are():
    page = text_of(ROOT / "data/bench/README.md")
    seeds: dict[str, list[dict]] = {}
    for row in json.loads(text_of(ROOT / "data/bench/quality.json"))["rows"]:
        seeds.setdefault(row["who"], []).append(row)
    for who, rows in seeds.items():
        cells = []
        for key, form in (("optimizer_steps", ",.0f"), ("readable", ".1%"), ("fd_judge", ".3f")):
            found = [row[key] for row in rows if key in row]
            least, most = (f"{end:{form}}" for end in (min(found, default=0), max(found, default=0)))
            mean = f"{statistics.mean(found):{form}}" if found else ""
            cells.append(mean if len(found) < 2 else f"{mean} ({least} to {most})")
        assert re.sub(" +", " ", "| {} | {} | {} |\n".format(*cells)) in page, who
        assert len(rows) == (1 if who.startswith("real") else 3)


@pytest.mark.parametrize("record", ["recipe", "recipe-longer"])
def test_the_page_of_measurements_says_what_the_recipe_gave(record):
    page = text_of(ROOT / "data/bench/README.md")
    recipe: dict[tuple, list[float]] = {}
    for row in json.loads(text_of(ROOT / f"data/bench/{record}.json"))["rows"]:
        for key, digits in (("fd_ratio", 2), ("accuracy", 3)):
            recipe.setdefault((row["choice"], row["way"], key, digits), []).append(row[key])
    for (*_, digits), found in recipe.items():
        least, most, mean = (f"{value:.{digits}f}" for value in (min(found), max(found), statistics.mean(found)))
        assert (f"| {mean} ({least} to {most}) |" if len(found) > 1 else f"| {mean} |") in page


def test_the_page_of_measurements_says_what_its_files_say():
    page = text_of(ROOT / "data/bench/README.md")
    for row in json.loads(text_of(ROOT / "data/bench/quality-others.json"))["rows"]:
        steps = f"{row['optimizer_steps']:,}" if "optimizer_steps" in row else ""
        cells = (steps, f"{row['readable']:.1%}", f"{row['fd_judge']:.2f}")
        assert re.sub(" +", " ", "| {} | {} | {} |\n".format(*cells)) in page, row["who"]
    for row in json.loads(text_of(ROOT / "data/bench/operators.json"))["rows"]:
        assert f"| {row['network']} | {row['what']} | {row['shares']['convolutions']:.1%} |" in page
        left = row["shares"]["convolutions"] + row["shares"]["attention and linear layers"]
        assert 1 / left < {"cifar10": 1.25, "small": 1.55, "mnist-laptop": 1.75}[row["network"]]  # as the page says
    rows = json.loads(text_of(ROOT / "data/bench/steps.json"))["rows"]
    rates = {(row["network"], row["what"], row["who"]): row["images_per_s"] for row in rows}
    for network in ("small", "cifar10"):
        for what in ("train_step", "sample_step"):
            ours, *others = [rate for key, rate in rates.items() if key[:2] == (network, what)]
            assert " | ".join(f"{ours / other:.2f}" for other in others) in page, (network, what)


def test_the_default_sampler_is_the_one_that_the_page_of_measurements_finds_best():
    page = text_of(ROOT / "data/bench/README.md")
    calls: dict[tuple, list[float]] = {}
    for row in json.loads(text_of(ROOT / "data/bench/calls.json"))["rows"]:
        calls.setdefault((row["sampler"], row["calls"]), []).append(row["fd_judge"])
    del calls["real digits", 0]  # of MNIST's training part: the page has test digits
    rows = json.loads(text_of(ROOT / "data/bench/real-sets.json"))["rows"]
    real = [row["fd_judge"] for row in rows if row["n"] == 500]
    told = f"eight sets: {statistics.mean(real):.3f} ({min(real):.3f} to {max(real):.3f})"
    assert len(real) == 8
    assert told in " ".join(page.split())
    for found in calls.values():
        assert f"| {statistics.mean(found):.3f} ({min(found):.3f} to {max(found):.3f}) |" in page
    assert statistics.mean(calls["dpm-solver", 15]) - statistics.mean(calls["dpm-solver", 50]) < 0.005
    assert statistics.mean(calls["dpm-solver", 15]) - statistics.mean(calls["ddim", 30]) < 0.001
    chosen = runs.preset("mnist").sampling
    assert (chosen.sampler, chosen.steps) == ("dpm-solver", 15)


def commands_in(text):
    """Commands of this package that Markdown tells its readers to type: in `...`, or a line of a block.

    A command's bare name is a mention, and one with placeholders (RUN, [--n 2000]) is a synopsis.
    """
    shown = re.findall(r"`((?:torchrun|mini-ddpm) [^`]+)`", text)
    shown += re.findall(r"^!?((?:torchrun|mini-ddpm) .+)$", text, flags=re.MULTILINE)
    words = [shlex.split(line, comments=True) for line in shown]
    placeholder = re.compile(r"^[A-Z]+$|[\[\]|]|\.\.\.")
    return [command for command in words if len(command) > 2 and not any(map(placeholder.search, command))]


def all_commands():
    """(page, words) of each command in the pages and the notebooks."""
    pages = [(ROOT / page, text_of(ROOT / page)) for page in PAGES]
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
    assert given.get("preset") is None or preset(given["preset"])


def test_pages_show_commands():
    found = [" ".join(command) for _, command in all_commands()]
    assert len(found) > 15
    assert any(command.startswith("torchrun") and " --n " in command for command in found)


# --- the package's files --------------------------------------------------------------------------------

FRONT = [
    "limits",
    "checks",
    "schedules",
    "diffusion",
    "losses",
    "contracts",
    "unet",
    "files",
    "options",
    "downloads",
    "folders",
    "data",
]
FRONT += ["parallel", "terminal", "training", "sampling", "guidance", "classifier"]
MEASURE = ["distances", "judges", "extractors", "digits", "colour", "references", "likelihood"]
RUNS = ["presets", "settings", "device", "classifiers", "trained", "drawing", "asked", "pictures", "outputs"]
RUNS += ["metrics", "watching", "guard", "folder", "results"]
HOUSE = [*FRONT, *(f"measure.{room}" for room in MEASURE), "measure", *(f"runs.{room}" for room in RUNS), "runs"]


def modules():
    """name -> the modules of this package that it imports."""
    files = {path.relative_to(ROOT).with_suffix(""): path for path in (ROOT / "mini_ddpm").rglob("*.py")}
    paths = {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}
    imports = {}
    for name, path in paths.items():
        nodes = list(ast.walk(ast.parse(text_of(path))))
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
    labs = {name for name in imports if re.match(r"labs\b", name)}  # a house of their own, beside the symbolic one
    symbolic = {name for name in imports if name.startswith("symbolic")}
    assert all(imports[module] <= labs | symbolic for module in labs)
    assert {*order} | symbolic | labs | {"mini_ddpm", "work", "measuring", "commands", "__main__"} == imports.keys()
    assert not any(imports["mini_ddpm"])
    for i, module in enumerate(HOUSE):
        assert imports[module] <= {*HOUSE[:i]}, f"{module} imports {imports[module] - {*HOUSE[:i]}}"
    assert imports["work"] <= {*HOUSE}
    assert imports["measuring"] <= {*HOUSE, "work"}
    assert imports["commands"] <= {*HOUSE, "work", "measuring"}
    assert imports["__main__"] <= {*HOUSE, "commands"}
    for module, used in imports.items():
        learning = re.match(r"course\.(exercises|p\d\d)\b|labs\b", module)  # what derives
        assert (used <= symbolic) if module in symbolic else learning or not used & symbolic, module


def test_no_file_is_long():
    """A house of small rooms: 300 lines, 250 in `symbolic`, and 330 for the network, which is one thing."""
    package = ROOT / "mini_ddpm"
    lengths = {str(path.relative_to(package)): len(text_of(path).splitlines()) for path in package.rglob("*.py")}
    assert lengths.pop("unet.py") <= 330
    assert not {name: n for name, n in lengths.items() if n > (250 if name.startswith("symbolic") else 300)}


def test_text_is_utf_8_on_every_machine():
    """Windows reads and writes in an encoding of its own where none is given."""
    for path in sorted((ROOT / "mini_ddpm").rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(text_of(path))) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            modes = [each.value for each in call.args if isinstance(each, ast.Constant)]
            binary = any("b" in str(mode) for mode in modes[:2]) or ast.unparse(call.func).startswith(("Image.", "os."))
            given = binary or any(word.arg == "encoding" for word in call.keywords)
            assert given or name not in ("open", "read_text", "write_text"), f"{path}:{call.lineno}"


def test_the_workflow_pins_its_actions_and_may_only_read():
    text = text_of(ROOT / ".github" / "workflows" / "ci.yml")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    systems = set()
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 60
        matrix = job.get("strategy", {}).get("matrix", {})
        systems |= {job["runs-on"], *matrix.get("os", []), *(each["os"] for each in matrix.get("include", []))}
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"]["persist-credentials"] is False
    assert {"ubuntu-latest", "macos-latest", "windows-latest"} <= systems
    assert re.findall(r"torch==.*", text) == re.findall(r"^torch==.*", text_of(ROOT / "constraints.txt"), re.MULTILINE)
    used = re.findall(r"uses: *(.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
