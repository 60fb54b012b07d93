import csv
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import one_line
from PIL import Image

from mini_ddpm import data, measuring, parallel, runs, training
from mini_ddpm.classifier import ClassifierStep
from mini_ddpm.data import some_cifar10
from mini_ddpm.files import CheckpointError, read_tensors, shipped, write_tensors
from mini_ddpm.measure import extractors
from mini_ddpm.runs.presets import SampleConfig, preset
from mini_ddpm.runs.trained import read_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder, trained by the command line on a tiny preset."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    command = [sys.executable, "-m", "mini_ddpm", "train", "--preset", "tiny", "--out", str(folder), "--device", "cpu"]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "accuracy" in out.stdout
    assert "fd_ratio" in out.stdout
    return folder


def test_train_leaves_a_whole_folder(trained):
    names = {path.name for path in trained.iterdir()}
    assert names == {
        "config.json",
        "metrics.csv",
        "checkpoint.safetensors",
        ".lock",
        "samples.png",
        "loss.png",
        "denoising.gif",
        "evaluation.json",
    }
    figures = json.loads((trained / "evaluation.json").read_text())
    wanted = {"accuracy", "fd_judge", "fd_ratio", "n", "sampler", "steps", "seed", "train_seconds"}  # ratio: of 2,000
    assert wanted | {"diversity", "nearest_train", "machine"} <= figures.keys()
    assert figures["n"] == 2000
    assert Image.open(trained / "samples.png").size == (604, 604)
    assert Image.open(trained / "denoising.gif").n_frames >= 5
    config = json.loads((trained / "config.json").read_text())
    assert config["training"]["steps"] == 30
    with (trained / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["10", "20", "30"]
    assert float(rows[0]["loss"]) > float(rows[-1]["loss"]) > 0


def test_sample(trained, run, tmp_path):
    assert run("sample", trained, "--n", 9, "--steps", 3, "--label", 3, "--gif", "--out", "a.png")[0] == 0
    assert run("sample", trained, "--n", 9, "--steps", 3, "--label", 3, "--out", "b.png")[0] == 0
    assert run("sample", trained, "--n", 9, "--steps", 3, "--label", 3, "--seed", 1, "--out", "c.png")[0] == 0
    first, same, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == same
    assert first != other
    assert Image.open(tmp_path / "a.gif").n_frames >= 3
    assert run("sample", trained, "--n", 2, "--sampler", "ancestral", "--steps", 2)[0] == 0
    assert (tmp_path / "samples.png").exists()


def test_evaluate(trained, run, tmp_path):
    status, out, _ = run("evaluate", trained, "--n", 100, "--steps", 2, "--out", "e.json")
    assert status == 0
    assert "fd_judge" in out
    assert "fd_ratio" not in out  # its unit is the distance of 2,000 images
    figures = json.loads((tmp_path / "e.json").read_text())
    assert (figures["n"], figures["steps"], figures["sampler"]) == (100, 2, "ddim")


def test_figures_that_can_not_be_stored_are_shown(trained, run, monkeypatch):
    def full(path, content):
        raise OSError(f"could not write {path}: the disk is full")

    monkeypatch.setattr("mini_ddpm.files.write_json", full)
    status, out, err = run("evaluate", trained, "--n", 100, "--steps", 2, "--out", "e.json")
    assert status == 1
    assert "fd_judge" in out
    assert "could not write e.json" in err


@pytest.fixture
def colour_run(tmp_path, monkeypatch):
    """An untrained network for CIFAR-10, in a run folder."""
    monkeypatch.setattr("mini_ddpm.runs.folder.images_of", lambda *args: some_cifar10())
    tiny = preset("tiny")
    config = replace(tiny, data="cifar10", unet=replace(tiny.unet, image_size=32, in_channels=3))
    runs.start(config, tmp_path / "colour", runs.pick_device("cpu"))
    return "colour"


def test_evaluate_colour_images(colour_run, run, tmp_path):
    command = ("evaluate", colour_run, "--n", 20, "--steps", 2)
    status, out, _ = run(*command, "--out", "e.json")
    assert status == 0
    assert "FD-cifar10-judge" in out
    assert "FID" not in out
    figures = json.loads((tmp_path / "e.json").read_text())
    assert 0 <= figures["accuracy"] <= 1
    assert figures["FD-cifar10-judge"] > figures["FD-cifar10-judge of test images"]
    assert {"KD-cifar10-judge", "precision-cifar10-judge", "recall-cifar10-judge", "sampling_seconds"} < figures.keys()
    assert "weights" not in figures
    assert run(*command, "--raw", "--out", "raw.json")[0] == 0
    assert json.loads((tmp_path / "raw.json").read_text())["weights"] == "raw"


def test_several_extractors_measure_the_same_drawing(colour_run, run, tmp_path, monkeypatch):
    mean = extractors.Extractor("mean", 3, lambda images: images.float().mean(dim=(2, 3)))
    monkeypatch.setitem(extractors.EXTRACTORS, "mean", lambda device: mean)
    monkeypatch.setattr("mini_ddpm.measure.colour.load", lambda *args: some_cifar10())
    draw_many, drawn = runs.draw_many, []
    monkeypatch.setattr("mini_ddpm.runs.results.draw_many", lambda *args: drawn.append(draw_many(*args)) or drawn[-1])
    both = ("--extractor", "cifar10-judge", "--extractor", "mean")
    status, *_ = run("evaluate", colour_run, "--n", 20, "--steps", 2, *both, "--out", "e.json")
    assert status == 0
    assert len(drawn) == 1
    figures = json.loads((tmp_path / "e.json").read_text())
    assert {"accuracy", "FD-cifar10-judge", "FD-mean", "KD-mean", "recall-mean"} < figures.keys()
    assert figures["FD-mean"] != figures["FD-cifar10-judge"]


def test_what_can_not_be_measured_is_said(colour_run, trained, run):
    assert "digits have their own judge" in one_line(run("evaluate", trained, "--extractor", "cifar10-judge")[2])
    assert "unknown extractor 'vgg'" in one_line(run("evaluate", colour_run, "--extractor", "vgg")[2])
    assert "needs torch-fidelity" in one_line(run("evaluate", colour_run, "--extractor", "inception")[2])
    few = run("evaluate", colour_run, "--n", 4, "--steps", 1)[2]
    assert "4 is not in the range 5<=x" in one_line(few)


def test_floors(run, tmp_path, monkeypatch):
    monkeypatch.setattr("mini_ddpm.measure.colour.load", lambda *args: some_cifar10())
    status, out, _ = run("floors", "--n", 50, "--out", "f.json", "--device", "cpu")
    assert status == 0
    assert "half of the training images against the other" in out
    found = json.loads((tmp_path / "f.json").read_text())
    assert (found["n"], found["seed"]) == (50, 0)
    assert len(found["rows"]) == 7


def test_train_judge_of_cifar10(run, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "load", lambda *args: some_cifar10())
    status, out, _ = run("train-judge", "--data", "cifar10", "--epochs", 2, "--out", "j.safetensors", "--device", "cpu")
    assert status == 0
    assert "wrote j.safetensors: test accuracy" in out
    kept, card = read_tensors(tmp_path / "j.safetensors")
    assert f"test accuracy {card['accuracy']:.2%}" in out
    assert kept["test"].shape == (100, 256)


def test_compile_reaches_training_and_sampling(run, tmp_path, monkeypatch):
    """Both call what the compiler gave back, and say so. (What it gives back is tested in test_parallel.)"""
    calls = []

    def compiled(network, example):
        def fast(*arguments, **options):
            calls.append(len(arguments[0]))
            return network(*arguments, **options)

        assert example(network).shape[1:] == (1, 28, 28)
        calls.append("compiled")
        fast.classes = network.classes
        fast.parameters = network.parameters
        return fast, "compiled in 1.0 s"

    monkeypatch.setattr(parallel, "compiled", compiled)
    status, out, _ = run("train", "--preset", "tiny", "--steps", 3, "--out", "r", "--compile", "--device", "cpu")
    assert status == 0
    assert "compiled in 1.0 s" in out
    assert calls == ["compiled", 16, 16, 16]
    calls.clear()
    status, out, _ = run("evaluate", "r", "--n", 10, "--steps", 2, "--guidance", 2, "--compile", "--device", "cpu")
    assert "compiled in 1.0 s" in out
    assert calls == ["compiled", 20, 20]  # with and without the label in one call


def test_bits_per_dim_go_on_where_they_were_interrupted(trained, run, tmp_path, monkeypatch):
    monkeypatch.setattr("mini_ddpm.runs.results.CHUNK", 2)
    short = tmp_path / "short"
    config = replace(preset("tiny"), T=20, sampling=SampleConfig(steps=3))
    runs.start(config, short, runs.pick_device("cpu"))
    command = ("evaluate", short, "--bits", 6, "--terms", "terms.safetensors")
    assert run(*command, "--out", "whole.json")[0] == 0
    rows, what = read_tensors(tmp_path / "terms.safetensors")
    write_tensors(tmp_path / "terms.safetensors", {name: value[:4] for name, value in rows.items()}, what)
    assert run(*command, "--out", "resumed.json")[0] == 0
    whole, resumed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "resumed"))
    assert whole == resumed
    assert whole["steps"] == 20
    assert whole["bits_per_dim"] == pytest.approx(whole["L_T"] + whole["L_1 to L_T-1"] + whole["L_0"], rel=1e-5)
    status, _, err = run(*command, "--seed", 1)
    assert status == 1
    assert "terms.safetensors holds the bound of other weights" in one_line(err)
    runs.fit(runs.resume(short, runs.pick_device("cpu")), until=1)
    assert run(*command)[0] == 1


def test_a_classifier_guides_what_it_fits(trained, run, tmp_path):
    command = ("train-classifier", "--preset", "tiny", "--steps", 20, "--device", "cpu")
    status, out, _ = run(*command, "--out", "c.safetensors")
    assert status == 0
    rows = [line.split() for line in out.splitlines() if line.startswith("t =")]
    assert [int(row[2]) for row in rows] == list(range(0, 1001, 100))
    assert all(0 <= float(row[-1].rstrip("%")) <= 100 for row in rows)
    for sampler in ("ancestral", "ddim", "dpm-solver"):
        guided = ("sample", trained, "--n", 2, "--steps", 2, "--label", 3, "--sampler", sampler)
        for name, scale in (("a.png", 0), ("b.png", 300)):
            assert run(*guided, "--classifier", "c.safetensors", "--guidance", scale, "--out", name)[0] == 0
        assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    assert run(*command, "--clean", "--out", "clean.safetensors")[0] == 0
    for file, message in (
        ("clean.safetensors", "was trained on clean images"),
        ("judge", "not a noise-aware classifier"),
    ):
        status, _, err = run("sample", trained, "--n", 1, "--classifier", file)
        assert status == 1
        assert message in one_line(err)


def test_an_exported_model_draws_the_same(trained, run, tmp_path, monkeypatch):
    assert run("export", trained, "--out", tmp_path / "mine.safetensors")[0] == 0
    assert (tmp_path / "mine.safetensors").stat().st_size < 0.2 * (trained / "checkpoint.safetensors").stat().st_size
    monkeypatch.setattr("mini_ddpm.runs.trained.WEIGHTS", tmp_path)
    for name, out in ((trained, "a.png"), ("mine", "b.png")):
        assert run("sample", name, "--n", 4, "--out", out)[0] == 0
    a, b = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("a.png", "b.png"))
    assert np.abs(a - b).mean() < 2  # half precision


def test_help_does_not_wait_for_what_the_work_needs():
    """Importing torch takes seconds; help, a wrong option and a wrong name of a command are answered before."""
    script = """
import sys
from mini_ddpm.commands import cli
for words in [["--help"], ["trian"], *([name, word] for name in cli.commands for word in ("--help", "--stpes"))]:
    try:
        cli.main(words, standalone_mode=False)
    except Exception as error:
        print(error)
late = {"torch", "numpy", "matplotlib", "PIL", "mini_ddpm.runs"} & {*sys.modules}
assert not late, late
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.count("Usage: ") > 10
    assert said.count("--stpes") > 8


def test_shipped_model_by_name_needs_no_network(run, monkeypatch):
    monkeypatch.setenv("MINI_DDPM_DATA", "nowhere")
    assert run("sample", "mnist", "--n", 1, "--steps", 2)[0] == 0
    assert run("sample", "mnist-improved", "--n", 1, "--steps", 2)[0] == 0
    assert run("evaluate", "mnist", "--n", 10, "--steps", 2)[0] == 0


def test_resume_finishes_and_can_be_repeated(run, tmp_path):
    runs.start(preset("tiny"), tmp_path / "r", runs.pick_device("cpu"))
    status, out, _ = run("train", "--resume", "r", "--device", "cpu")
    assert status == 0
    assert "fd_judge" in out
    before = (tmp_path / "r" / "samples.png").read_bytes()
    assert run("train", "--resume", "r", "--device", "cpu")[0] == 0
    assert (tmp_path / "r" / "samples.png").read_bytes() == before


def test_a_run_can_be_made_longer(run, tmp_path):
    assert run("train", "--preset", "tiny", "--steps", 3, "--out", "r", "--device", "cpu")[0] == 0
    status, out, _ = run("train", "--resume", "r", "--steps", 5, "--device", "cpu")
    assert status == 0
    assert "r: 5 steps" in out
    assert json.loads((tmp_path / "r" / "config.json").read_text())["training"]["steps"] == 5
    assert runs.resume(tmp_path / "r", runs.pick_device("cpu")).state.step == 5


def test_a_new_end_is_kept_at_once(tmp_path):
    runs.start(preset("tiny"), tmp_path, runs.pick_device("cpu"))
    runs.resume(tmp_path, runs.pick_device("cpu"), steps=50)
    assert read_config(tmp_path / runs.CHECKPOINT).training.steps == 50


def test_an_interrupted_training_is_no_success(run, monkeypatch):
    monkeypatch.setattr(runs, "fit", lambda run, **how: False)
    status, out, _ = run("train", "--preset", "tiny", "--steps", 3, "--out", "a run", "--device", "cpu")
    assert status == 130
    assert out.endswith("go on with: mini-ddpm train --resume 'a run'\n")


def test_figures_are_kept_even_if_they_can_not_be_shown(trained, run, tmp_path, monkeypatch):
    def closed(figures):
        raise BrokenPipeError

    monkeypatch.setattr(measuring, "show", closed)
    run("evaluate", trained, "--n", 5, "--out", "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text())["n"] == 5


def test_an_export_does_not_replace_its_own_run(trained, run):
    before = (trained / runs.CHECKPOINT).read_bytes()
    status, _, err = run("export", trained, "--out", trained / runs.CHECKPOINT)
    assert status == 1
    assert "belongs to the run" in one_line(err)
    assert (trained / runs.CHECKPOINT).read_bytes() == before


def test_there_are_only_so_many_test_images(trained, run):
    status, _, err = run("evaluate", trained, "--bits", 1001)
    assert status == 1
    assert "there are 1,000 test images" in one_line(err)


def test_without_a_log_a_finished_run_says_what_is_missing(tmp_path):
    run = runs.start(preset("tiny"), tmp_path, runs.pick_device("cpu"))
    with pytest.raises(CheckpointError, match=r"metrics.csv is missing .*mini-ddpm evaluate"):
        runs.report(run)


def test_presets_and_fetch(run):
    status, out, _ = run("presets")
    assert status == 0
    assert {"mnist-laptop", "tiny", "cifar10-ddpm"} <= {line.split()[0] for line in out.splitlines()}
    assert "4,000 training and 1,000 test" in run("fetch", "mnist-5k")[1]


def test_module_and_command_are_the_same(run):
    out = subprocess.run([sys.executable, "-m", "mini_ddpm", "-h"], capture_output=True, text=True, check=True).stdout
    assert out == run("-h")[1]


def test_an_unconditional_model_knows_no_labels(trained, run, tmp_path):
    tensors, metadata = read_tensors(trained / "checkpoint.safetensors")
    metadata["config"]["unet"]["classes"] = 0
    (tmp_path / "plain").mkdir()
    kept = {name: tensor for name, tensor in tensors.items() if "class_embedding" not in name}
    write_tensors(tmp_path / "plain" / "checkpoint.safetensors", kept, metadata)
    assert "plain knows no labels" in one_line(run("sample", "plain", "--label", "3")[2])
    assert run("sample", "plain", "--n", 2, "--steps", 2)[0] == 0


def test_the_folder_of_a_file_is_made(trained, run, tmp_path):
    assert run("sample", trained, "--n", 1, "--steps", 1, "--out", "new/folder/picture.png")[0] == 0
    assert (tmp_path / "new/folder/picture.png").exists()


def test_a_file_that_can_not_be_written_is_refused_before_the_work(trained, run, monkeypatch):
    monkeypatch.setattr("mini_ddpm.runs.drawing.draw", None)
    status, _, err = run("sample", trained, "--out", trained / "config.json" / "picture.png")
    assert status == 1
    assert "config.json" in one_line(err)


def test_train_judge_of_digits(run, tmp_path, monkeypatch):
    some = data.load("mnist-5k", "test")
    monkeypatch.setattr(data, "load", lambda *args: some)
    status, out, _ = run("train-judge", "--epochs", 1, "--out", "j.safetensors")
    assert status == 0
    card = read_tensors(tmp_path / "j.safetensors")[1]
    assert f"wrote j.safetensors: test accuracy {card['accuracy']:.2%}" in out


@pytest.mark.parametrize(("what", "name"), [("mnist", "judge"), ("cifar10", "cifar10-judge")])
def test_a_judge_trained_anew_replaces_no_shipped_one(run, tmp_path, monkeypatch, what, name):
    some = data.load("mnist-5k", "test") if what == "mnist" else some_cifar10()
    monkeypatch.setattr(data, "load", lambda *args: some)
    before = shipped(f"weights/{name}.safetensors").stat().st_mtime_ns
    status, out, _ = run("train-judge", "--data", what, "--epochs", 2, "--device", "cpu")
    assert status == 0
    assert f"{name}.safetensors: test accuracy" in out
    assert (tmp_path / "runs" / f"{name}.safetensors").exists()
    assert shipped(f"weights/{name}.safetensors").stat().st_mtime_ns == before


def test_evaluating_in_float32_says_so_and_holds_for_that_command_alone(run, trained, monkeypatch):
    monkeypatch.setattr("mini_ddpm.training.torch.cpu._is_avx512_bf16_supported", lambda: True)
    used = []
    spy = lambda device: used.append(training.has_bf16(device)) or training.autocast(device)  # noqa: E731
    monkeypatch.setattr("mini_ddpm.runs.drawing.autocast", spy)
    for options, precision in (((), "bfloat16"), (("--precision", "float32"), "float32"), ((), "bfloat16")):
        status, out, _ = run("evaluate", trained, "--n", 5, "--device", "cpu", *options)
        assert status == 0
        assert f", {precision}, torch" in out
        assert {*used} == {precision == "bfloat16"}
        used.clear()


def test_a_classifier_that_diverges_is_said_to(run, monkeypatch):
    step = ClassifierStep(3, torch.tensor(float("nan")))
    monkeypatch.setattr("mini_ddpm.runs.classifiers.train_classifier", lambda *args, **options: iter([step]))
    status, _, err = run("train-classifier", "--preset", "tiny", "--steps", 11)
    assert status == 1
    assert one_line(err) == "mini-ddpm: the loss became nan at step 3"


TROUBLE = [
    (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator"), 1, "not enough memory: take fewer"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), 1, "not enough memory: take fewer"),
    (MemoryError(), 1, "not enough memory"),
    (KeyboardInterrupt(), 130, "mini-ddpm: interrupted"),
    (OSError(28, "No space left on device"), 1, "No space left on device"),
]


@pytest.mark.parametrize(("trouble", "expected", "words"), TROUBLE, ids=lambda value: str(value)[:30])
def test_trouble_of_the_machine_is_one_line(run, monkeypatch, trouble, expected, words):
    def fail(*args, **options):
        raise trouble

    monkeypatch.setattr("mini_ddpm.runs.drawing.draw", fail)
    status, _, err = run("sample", "mnist", "--n", 1)
    assert status == expected
    assert words in one_line(err)


def test_a_lost_process_is_named_wherever_it_is_missed(run, monkeypatch):
    def lost(*args, **options):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer")

    monkeypatch.setattr(runs, "evaluate", lost)
    monkeypatch.setattr(parallel, "size", lambda: 2)
    status, _, err = run("evaluate", "mnist", "--n", 5, "--device", "cpu")
    assert status == 1
    assert "mini-ddpm: another process stopped: [gloo" in one_line(err)


def test_a_mistake_of_ours_is_not_hidden(run, monkeypatch):
    def wrong(*args, **options):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("mini_ddpm.runs.drawing.draw", wrong)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        run("sample", "mnist", "--n", 1)
