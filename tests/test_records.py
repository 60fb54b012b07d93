"""What was measured once: pages and cards say what the files say, and every command makes its file anew, elsewhere."""

import ast
import json
import re
import shlex
import statistics
import sys
from pathlib import Path

import pytest

import notebooks
from mini_ddpm.files import read_tensors

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path for path in (ROOT / "tests" / "bench").glob("*.py") if "argparse" in path.read_text("utf-8"))
PAGES = [ROOT / name for name in ("README.md", "data/bench/README.md", "CONTRIBUTING.md")]
PAGES += sorted((ROOT / "data" / "weights").glob("*.md"))
BENCH = ROOT / "data" / "bench"


def stored(name):
    return json.loads((BENCH / f"{name}.json").read_text("utf-8"))


def card(name):
    return " ".join((ROOT / "data" / "weights" / f"{name}.md").read_text("utf-8").split())


# --- cards --------------------------------------------------------------------------------------------------


def test_the_card_of_mnist_improved_says_what_its_files_say():
    tensors, how = read_tensors(BENCH / "bound.safetensors")
    bits, text = tensors["bits_per_dim"], card("mnist-improved")
    assert "float32" in how["machine"]
    assert f"**{bits.mean():.3f} bits/dim**" in text
    assert f"a standard error of {bits.std() / len(bits) ** 0.5:.3f}, for {how['n']} of" in text
    assert f"L_0 is {tensors['terms'][-1]:.3f} of it" in text
    assert tensors["prior"].max() < 1e-9
    rows = {(row["choice"], row["steps"]): row for row in stored("strided")["rows"] if row["n"] == 1000}
    long, short = rows["learned-range", 100], rows["learned-range", 10]
    assert f"a judge reads {long['accuracy']:.1%} as" in text
    assert f"FD-judge {long['fd_judge']:.3f}, diversity {long['diversity']:.2f}." in text
    assert f"{short['accuracy']:.1%}, {short['fd_judge']:.3f} and {short['diversity']:.2f}." in text


def test_the_card_of_mnist_says_what_its_file_says():
    text, found = card("mnist"), stored("mnist")
    assert found["machine"].split(", ")[2] == "float32"
    assert f"({found['n']:,} digits, {found['steps']} steps of DPM-Solver++, guidance {found['guidance']}," in text
    assert f"judge accuracy {found['accuracy']:.1%}, FD-judge {found['fd_judge']:.4f}" in text
    assert f"`fd_ratio` {found['fd_ratio']:.2f}, diversity {found['diversity']:.2f}, median" in text
    assert f"digits {found['nearest_train']:.2f}, against {found['nearest_heldout']:.2f} for" in text


def test_the_card_of_cifar10_says_what_its_files_say():
    text, drawn, bits = card("cifar10"), stored("cifar10-evaluation"), stored("cifar10-bits")
    for extractor, digits in (("cifar10-judge", 0), ("efficientnet-lite0", 0)):
        fd, real = (drawn[f"FD-{extractor}{of}"] for of in ("", " of test images"))
        assert f"FD-{extractor} {fd:.{digits}f} ({real:.1f} for as many test images)" in text
        assert f"precision {drawn[f'precision-{extractor}']:.2f} and recall {drawn[f'recall-{extractor}']:.2f}" in text
    assert f"KD {drawn['KD-cifar10-judge']:.1f}" in text
    assert f"reads {drawn['accuracy']:.0%} as" in text
    fds = [stored(f"cifar10-{name}")["FD-cifar10-judge"] for name in ("averaged", "raw", "unguided")]
    words = "Of 2,000 samples FD is {:.0f}, without the moving average {:.0f} as well, without guidance {:.0f}."
    assert words.format(*fds) in text
    assert f"{bits['bits_per_dim']:.2f} bits/dim, standard error {bits['standard_error']:.2f}, of" in text
    recall: dict[tuple, list[dict]] = {}
    for row in stored("recall")["rows"]:
        recall.setdefault((row["extractor"], row["images"]), []).append(row)
    blurred, samples = recall["efficientnet-lite0", "blur of 1"], recall["cifar10-judge", "the shipped network"]
    assert f"to {statistics.mean(row['recall'] for row in blurred):.2f} (`recall.json`, three groups of" in text
    assert f"samples have {statistics.mean(row['spread'] for row in samples):.2f} of the spread" in text
    run = stored("cifar10")
    assert f"{run['steps']:,} steps of {run['batch_size']} images" in text
    assert f"{run['seconds'] / 60:.0f} minutes" in text


def test_the_cards_of_the_judges_say_what_their_files_say():
    _, digits = read_tensors(ROOT / "data" / "weights" / "judge.safetensors")
    text = card("judge")
    assert f"{digits['accuracy']:.2%} of the 10,000" in text
    assert (
        f"{digits['fd_test']:.5f}; the spread within a class of those test images, {digits['spread_test']:.3f}" in text
    )
    _, colour = read_tensors(ROOT / "data" / "weights" / "cifar10-judge.safetensors")
    assert f"{colour['accuracy']:.2%} of the 10,000" in card("cifar10-judge")


def test_the_card_of_the_classifier_says_what_its_file_says():
    rows = stored("mnist-classifier")["rows"]
    assert " | ".join(["| t", *(str(row["t"]) for row in rows)]) in card("mnist-classifier")
    accuracies = " | ".join(f"{100 * row['accuracy']:.1f}" for row in rows)
    assert f"| accuracy, % | {accuracies} |" in card("mnist-classifier")


@pytest.mark.parametrize("record", ["recipe", "recipe-longer"])
def test_the_readme_says_what_the_three_seeds_gave(record):
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    rows = [row for row in stored(record)["rows"] if (row["choice"], row["way"][:4]) == ("the preset", "ddim")]
    rows.sort(key=lambda row: row["seed"])
    assert [row["seed"] for row in rows] == [20, 21, 22]
    for key, digits in (("accuracy", 3), ("fd_ratio", 2), ("diversity", 2)):
        first, second, third = (f"{row[key]:.{digits}f}" for row in rows)
        assert f"{first}, {second} and {third}" in text


def spread_of(kind, key, digits):
    """Mean, least and largest of a figure of real digits."""
    found = [row[key] for row in stored("real-digits")["rows"] if row["digits"] == kind]
    return tuple(f"{value:.{digits}f}" for value in (statistics.mean(found), min(found), max(found)))


def test_pages_say_what_real_digits_get():
    readme, judge = " ".join((ROOT / "README.md").read_text("utf-8").split()), card("judge")
    random, seen = "test digits at random", "training digits at random"
    mean, least, most = spread_of(random, "fd_ratio", 2)
    assert f"drawn at random get {mean} ({least} to {most}, five sets). So {mean} is as good as real." in readme
    assert f"not 1 but about {mean} ({least} to {most})." in judge
    assert "{} ({} to {}).".format(*spread_of(random, "diversity", 2)) in readme
    assert "2,000 test images at random get {} ({} to {}).".format(*spread_of(random, "diversity", 2)) in judge
    assert "against {} ({} to {}, five sets".format(*spread_of(random, "fd_judge", 4)) in judge
    assert "get {} ({} to {}, three sets).".format(*spread_of(seen, "fd_judge", 4)) in judge
    fd, variety = spread_of(random, "fd_judge", 3)[0], spread_of(random, "diversity", 2)[0]
    assert f"an FD-judge of {fd}, an `fd_ratio` of {mean} and a diversity of {variety} (five" in card("mnist")
    real = [row for row in stored("variances")["rows"] if row["choice"] == "real digits"]
    found = {key: [row[key] for row in real] for key in ("accuracy", "fd_judge", "diversity")}
    least, most = (f"{end(found['accuracy']):.1%}" for end in (min, max))
    means = "{:.3f} and {:.2f}".format(*(statistics.mean(found[key]) for key in ("fd_judge", "diversity")))
    assert f"at random: {least} to {most}, {means} (three sets" in card("mnist-improved")


# --- commands -----------------------------------------------------------------------------------------------


def options_of(script):
    """Flags of a script with the source of their defaults; it is not run, for some need packages of their own."""
    found = {}
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            default = next((ast.unparse(word.value) for word in node.keywords if word.arg == "default"), "")
            found[node.args[0].value] = default
    return found


def shown():
    """(page, the word before, words) of each script of tests/bench that pages, notebooks and docstrings tell to run."""
    texts = [(path.name, path.read_text("utf-8")) for path in PAGES]
    texts += [(path.name, ast.get_docstring(ast.parse(path.read_text("utf-8")))) for path in SCRIPTS]
    for path in notebooks.ALL:
        cells = [cell.source for cell in notebooks.read(path).cells if cell.cell_type == "markdown"]
        texts.append((path.name, "\n".join([*cells, *map(notebooks.text_of, notebooks.code_cells(path))])))
    for page, text in texts:
        for line in (line for line in text.splitlines() if "tests/bench/" in line):
            for before, command in re.findall(r"([^\s`]+ )?(tests/bench/\w+\.py(?: +[^\s`#;<|]+)*)", line):
                yield page, before.strip(), shlex.split(command)


@pytest.mark.parametrize(("page", "before", "words"), [*shown()])
def test_a_script_is_shown_as_it_can_be_typed(page, before, words):
    script = ROOT / words[0]
    mention = not before and len(words) == 1  # a file's name is no command
    if mention:
        assert script.exists()
        return
    assert before in {"python", ".bench-venv/bin/python"}, f"{before} {words} in {page}"
    flags = {word for word in words if word.startswith("--")}
    assert flags <= options_of(script).keys()


def test_scripts_are_shown():
    assert len([*shown()]) > 15


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_leaves_what_is_shipped_as_it_is(script):
    default = options_of(script)["--out"]
    assert "runs" in default
    assert "data/" not in default


def test_rows_are_kept_on_another_machine_and_refused_with_other_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tests" / "bench"), *sys.path])
    from ablation import kept_rows

    path, row = tmp_path / "rows.json", {"choice": "base", "seed": 0}
    path.write_text(json.dumps({"steps": 5, "machine": "one", "rows": [row]}), "utf-8")
    settings = {"steps": 5, "machine": "another"}
    assert kept_rows(path, settings) == [row]
    assert settings["machine"] == "one; another"
    path.write_text(json.dumps({**settings, "rows": [row]}), "utf-8")
    again = {"steps": 5, "machine": "another"}
    assert kept_rows(path, again) == [row]
    assert again == settings
    with pytest.raises(SystemExit, match="was made with"):
        kept_rows(path, {"steps": 6, "machine": "one"})


def test_a_file_names_all_commands_that_filled_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tests" / "bench"), *sys.path])
    from ablation import kept_rows

    path, settings = tmp_path / "rows.json", {"machine": "one", "command": "python rows.py --seeds 1"}
    path.write_text(json.dumps({"machine": "one", "command": "python rows.py", "rows": []}), "utf-8")
    kept_rows(path, settings)
    assert settings == {"machine": "one", "command": "python rows.py; python rows.py --seeds 1"}
