"""What nbval cannot see: that the notebooks are complete, honest and in the order a learner needs."""

import ast
import copy
import os
import re
import subprocess
import sys
import warnings

import matplotlib
import nbformat
import openings
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

import notebooks
from mini_ddpm.symbolic import WrongStep

each = pytest.mark.parametrize("path", notebooks.ALL, ids=lambda path: path.stem)
every = pytest.mark.parametrize("path", [*notebooks.ALL, *notebooks.APPENDICES], ids=lambda path: path.stem)


@every
def test_executed_from_top_to_bottom_without_complaints(path):
    cells = notebooks.code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), "a bar or slider: strip it"
    assert sum(bool(cell.outputs) for cell in cells) > len(cells) / 3  # stripped outputs would pass vacuously


@every
def test_outputs_are_the_same_on_every_machine(path):
    for cell in notebooks.code_cells(path):
        text = notebooks.text_of(cell)
        assert not re.search(r" at 0x|/home/|/tmp/|/root/|/Users/|site-packages", text)


@every
def test_begins_and_ends_as_every_notebook_does(path):
    first, *_, last = [cell.source for cell in notebooks.read(path).cells]
    assert first.startswith(f"# {path.stem.partition('_')[0]} · ")
    for part in ("**You will be able to**", "**You need**", "**Time**"):
        assert part in first
    for part in ("## What we proved, what we measured", "| where this stands | |", "| lecture |"):
        assert part in last


ADDRESS = openings.address((openings.ROOT / "pyproject.toml").read_text())


@every
def test_opens_on_colab_and_wherever_it_stands_alone(path):
    cells, first = notebooks.read(path).cells, notebooks.code_cells(path)[0]
    assert cells[0].source.splitlines()[2] == openings.badge(ADDRESS, path.name)
    assert first.source.startswith(openings.install(ADDRESS))
    if path != notebooks.PART_1[0]:  # where it also says what is missing
        assert first.source == openings.install(ADDRESS)
        assert first.metadata.jupyter.source_hidden
        assert not first.outputs
    assert not [cell.source for cell in cells if cell.cell_type == "code" and "../" in cell.source]


def test_an_address_reaches_the_badge_and_the_first_cell():
    path, known = notebooks.ALL[-1], "https://github.com/someone/mini-ddpm"
    assert openings.address('[project]\nname = "x"\n[project.urls]\nRepository = "' + known + '"') == known
    before = path.read_text(encoding="utf-8")
    after = openings.with_address(before, known, path.name)
    assert f"{openings.COLAB}/github/someone/mini-ddpm/blob/main/notebooks/{path.name})" in after
    assert openings.install(known) in [cell.source for cell in nbformat.reads(after, as_version=4).cells]
    assert openings.with_address(after, ADDRESS, path.name) == before  # nothing else has changed


@every
def test_links_lead_somewhere(path):
    for cell in notebooks.read(path).cells:
        for link in re.findall(r"\]\((\w+\.ipynb)\)", cell.source):
            assert (notebooks.FOLDER / link).exists()


@every
def test_figures_are_described(path):
    cells = notebooks.read(path).cells
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        pictures = cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs)
        if pictures:
            assert following is not None
            assert following.source.startswith("*Figure"), f"no description of the figure of: {cell.source[:80]}"


@pytest.mark.parametrize("path", list(filter(notebooks.describes, notebooks.ALL)), ids=lambda path: path.stem)
def test_figures_say_what_is_seen_to_those_who_do_not_see(path):
    for cell in notebooks.code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.metadata["image/png"]["alt"]
                assert len(alt.split()) >= 8, alt
                assert alt.endswith("."), alt


@pytest.mark.parametrize("path", notebooks.PART_1, ids=lambda path: path.stem)
def test_displayed_equations_are_definitions_or_come_from_the_checker(path):
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "markdown":
            paragraphs = re.split(r"\n\s*\n", cell.source)
            for before, paragraph in zip(["", *paragraphs], paragraphs, strict=False):
                if "$$" in paragraph or r"\begin{" in paragraph:
                    assert before.startswith(("**Definition", "**By hand")), f"unchecked claim: {paragraph}"


@pytest.mark.parametrize("path", notebooks.PART_1, ids=lambda path: path.stem)
def test_nothing_in_part_1_is_unchecked(path):
    assert not any("Unchecked" in notebooks.text_of(cell) for cell in notebooks.code_cells(path))


@pytest.mark.parametrize(
    "path", [path for path in notebooks.ALL if not notebooks.teaches(path)], ids=lambda path: path.stem
)
def test_exercises_are_open_and_their_solutions_right(path):
    cells = notebooks.read(path).cells
    source = "\n".join(cell.source for cell in cells)
    assert 3 <= len(re.findall(r"^\*\*[1-9]\.\*\* ", source, re.M)) <= 6
    code = [cell for cell in cells if cell.cell_type == "code"]
    for cell, following in zip(code, [*code[1:], None], strict=True):
        if "exercise" in notebooks.tags(cell):
            assert "# <- your" in cell.source
            assert re.search("refused, |False", notebooks.text_of(cell)), "the first guess must be wrong"
            assert "solution" in notebooks.tags(following)
            assert following.metadata.jupyter.source_hidden
            assert "refused" not in notebooks.text_of(following)


def test_every_symbol_of_part_1_is_in_the_notation_table():
    table = notebooks.read(notebooks.FOLDER / "A_notation.ipynb")
    known = "\n".join(cell.source for cell in table.cells if "## 2. The symbols" in cell.source)
    for symbol in (
        r"\beta_t",
        r"\bar\alpha_t",
        r"\tilde\mu_t",
        r"\tilde\beta_t",
        r"\epsilon_\theta",
        r"\sigma_t^2",
        "L_T",
    ):
        assert symbol in known


def test_the_page_of_08b_is_one_page_and_stands_alone():
    path = notebooks.FOLDER / "08b_on_one_page.ipynb"
    page = "\n\n\n".join(cell.source for cell in notebooks.code_cells(path) if "page" in notebooks.tags(cell))
    tree = ast.parse(page)
    imports = {node.lineno for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))}
    kept = [line for k, line in enumerate(page.splitlines(), 1) if line.strip() and k not in imports]
    code = [line for line in kept if not line.strip().startswith('"""')]
    assert f"{len(code)} lines" in "\n".join(cell.source for cell in notebooks.read(path).cells)
    assert re.findall(r"mini_ddpm.*", page) == ["mini_ddpm.data import load"]
    assert max(len(line) for cell in notebooks.code_cells(path) for line in cell.source.splitlines()) <= 88
    names = {}
    exec(page, names)
    network, y, images = names["UNet"](), torch.tensor([3, 7]), torch.randn(2, 1, 28, 28).sign()
    losses = list(names["train"](network, copy.deepcopy(network), images, y, steps=2))
    assert losses == pytest.approx([1, 1], abs=0.1)  # a fresh network answers 0
    drawn = names["sample"](names["guided"](network, y, 2.0), torch.randn(2, 1, 28, 28), steps=3)
    assert drawn.shape == images.shape
    assert drawn.abs().max() <= 1


# --- a mistake in a notebook stops it, and nbval is red -----------------------------------------------------

PLANTS = {  # Part I, where the checker refuses; then the others, where an assert does
    "00_start_here": ("lost = betas * alpha_bar_t[:-1]", "lost = betas * alpha_bar_t[1:]"),
    "01_forward_process": ("+ sqrt(1 - alpha_bar[t]) * epsilon", "+ (1 - alpha_bar[t]) * epsilon"),
    "02_elbo": ("posterior = both / q_at[k]", "posterior = both / q_at[k - 1]"),
    "03_kl_between_gaussians": ("closed_form = divergence.last", "closed_form = 2 * divergence.last"),
    "04_posterior": ("beta_tilde = (1 - alpha_bar[t - 1])", "beta_tilde = (1 - alpha_bar[t])"),
    "05_simplified_loss": ("x[t] - beta[t] / root * epsilon", "x[t] - beta[t] * epsilon"),
    "06_unet": ("return self.shortcut(x) + h", "return h"),
    "07_training": ("lerp_(weight.data, share)", "lerp_(weight.data, 1 - share)"),
    "08_sampling": ("sigma = ((1 - a_s) / (1 - a_t) * beta).sqrt()", "sigma = (1 - a_s) / (1 - a_t) * beta"),
    "08b_on_one_page": ("/ (1 - alpha_bar_t) * beta_t).sqrt()", "/ (1 - alpha_bar_t) * beta_t)"),
    "09_clinic": ("with fault.planted():", "if fault:"),
    "10_improved_ddpm": ("plain = replace(shipped.diffusion, clip=None)", "plain = shipped.diffusion"),
    "12_guidance": ("eps - scale * (1 - bar).sqrt() * slope", "eps + scale * (1 - bar).sqrt() * slope"),
    "13_cifar10": ("mean = (first + second) / 2", "mean = first + second"),
    "14_results": ("x_t = a_t.sqrt() * x_0 + (1 - a_t).sqrt() * eps", "x_t = a_t * x_0 + (1 - a_t) * eps"),
    "15_one_family": ("F_t = -network", "F_t = network"),
    "11_likelihood": ("true = step * spread[:-1] / spread[1:]", "true = step * spread[1:] / spread[:-1]"),
}


FOUND_BY = {  # else by the cell itself
    "06_unet": "block, theirs",
    "07_training": "torch.manual_seed(0)\nnetwork = PointNet(1)\naverage",
    "08b_on_one_page": "from mini_ddpm.guidance import",
    "09_clinic": "examine(",
    "11_likelihood": "p11.draw_variances(",
}


def planted(path):
    """The cells of a notebook as far as the one that finds its planted mistake."""
    true, false = PLANTS[path.stem]
    cells = notebooks.read(path).cells
    place = next(k for k, cell in enumerate(cells) if cell.cell_type == "code" and true in cell.source)
    cells[place].source = cells[place].source.replace(true, false)
    while not cells[place].source.startswith(FOUND_BY.get(path.stem, "")):
        place += 1
    return [cell for cell in cells[: place + 1] if not {"widget", "nbval-ignore-output"} & set(notebooks.tags(cell))]


@each
def test_a_planted_mistake_stops_the_notebook(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINI_DDPM_FAST", "1")
    matplotlib.use("Agg")
    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    *before, last = [cell.source for cell in planted(path) if cell.cell_type == "code"]
    with capture_output(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # figures that nobody shows
        for source in before:
            shell.run_cell(source).raise_error()
        error = shell.run_cell(last).error_in_exec
    matplotlib.pyplot.close("all")
    torch.set_default_dtype(torch.float32)  # 14 computes in float64
    assert isinstance(error, (WrongStep, AssertionError)), error


@pytest.mark.parametrize(("stem", "option"), [("03_kl_between_gaussians", "--nbval"), ("11_likelihood", "--nbval-lax")])
def test_a_cell_that_stops_turns_nbval_red(stem, option, tmp_path):
    """As it is called by `make test`: strictly for Part I, by the cells' own asserts after it."""
    path = notebooks.FOLDER / f"{stem}.ipynb"
    notebook = notebooks.read(path)
    notebook.cells = planted(path)
    nbformat.write(notebook, tmp_path / path.name)
    environment = {**os.environ, "TQDM_DISABLE": "1", "MINI_DDPM_FAST": "1", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", option, "--nbval-current-env"]
    run = subprocess.run([*command, path.name], cwd=tmp_path, capture_output=True, encoding="utf-8", env=environment)
    assert run.returncode == 1, run.stdout
    assert "1 failed" in run.stdout
    assert "WrongStep" in run.stdout or "AssertionError" in run.stdout
