"""Any field of a preset by name, runs on folders of pictures, too little memory, and who may use a run folder."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import one_line
from PIL import Image

from mini_ddpm import runs
from mini_ddpm.files import CheckpointError, read_tensors
from mini_ddpm.runs.presets import PRESETS, RunConfig, preset
from mini_ddpm.runs.settings import changed, fields_of
from mini_ddpm.runs.trained import CHECKPOINT, WEIGHTS, find

CPU, TINY = torch.device("cpu"), preset("tiny")
SHORT = ("--preset", "tiny", "--device", "cpu")
OWN = ("--set", "unet.image_size=8", "--set", "unet.base_channels=8", "--set", "unet.channel_mults=1")
OWN += ("--set", "unet.groups=4", "--set", "sampling.steps=2", "--set", "training.batch_size=2", "--device", "cpu")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    """What is read of folders is kept apart; evaluations are tested elsewhere."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path_factory.getbasetemp() / "cache")
    monkeypatch.setattr(runs, "report", lambda run, **how: {"n": 1})


def pictures(folder, *classes, n=3):
    """A folder of n pictures for each class, or without classes."""
    noise = np.random.default_rng(0)
    for name in classes or (".",):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.fromarray(noise.integers(0, 256, (9, 10, 3), np.uint8)).save(folder / name / f"{i}.png")
    return folder


def config_in(folder):
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


# --- fields by name ---------------------------------------------------------------------------------------

SET = [
    ("training.batch_size=64", 64),
    ("training.learning_rate=1e-3", 0.001),
    ("training.learning_rate=1", 1.0),
    ("training.betas=0.8,0.9", (0.8, 0.9)),
    ("unet.channel_mults=1,2", (1, 2)),
    ("unet.channel_mults=[1, 2]", (1, 2)),
    ("unet.channel_mults=1", (1,)),
    ("unet.attention=[]", ()),
    ("unet.attention=14", (14,)),
    ("unet.learned_variance=true", True),
    ("unet.learned_variance=False", False),
    ("sampling.steps=20", 20),
    ("sampling.sampler=ancestral", "ancestral"),
    ("schedule=linear", "linear"),
    ("T=500", 500),
    ("data=7", "7"),
    ("skip_broken=true", True),
]


@pytest.mark.parametrize(("setting", "value"), SET, ids=[setting for setting, _ in SET])
def test_a_field_is_set_and_no_other_changes(setting, value):
    name = setting.split("=")[0]
    found = fields_of(changed(TINY, [setting]))
    assert found[name] == value
    assert type(found[name]) is type(value)
    assert {**found, name: None} == {**fields_of(TINY), name: None}


def test_every_field_can_be_set_to_what_it_is():
    for config in PRESETS.values():
        known = {name: value for name, value in fields_of(config).items() if name != "names"}
        text = {name: json.dumps(value) if not isinstance(value, str) else value for name, value in known.items()}
        assert changed(config, [f"{name}={value}" for name, value in text.items()]) == config


WRONG = [
    ("training.batchsize=64", "unknown field 'training.batchsize': did you mean training.batch_size"),
    ("batch_size=64", "training.batch_size"),
    ("steps=5", "did you mean training.steps or sampling.steps or times? There are data, unet"),
    ("nothing.like.it=1", "unknown field 'nothing.like.it': There are data, unet.image_size"),
    ("unet=1", "unknown field 'unet'"),
    ("names=a,b", "unknown field 'names'"),
    ("training.batch_size", "must be FIELD=VALUE"),
    ("training.batch_size=", "must be FIELD=VALUE"),
    ("=3", "must be FIELD=VALUE"),
    (" =3", "must be FIELD=VALUE"),
    ("training.batch_size=many", "training.batch_size: Input should be a valid integer, not 'many'"),
    ("training.batch_size=1.5", "training.batch_size: Input should be a valid integer, not 1.5"),
    ("training.batch_size=0", "training.batch_size: Input should be greater than or equal to 1"),
    ("training.batch_size=null", "training.batch_size: Input should be a valid integer, not None"),
    ("training.batch_size=" + "9" * 6000, "training.batch_size: Input should be"),
    ("training.batch_size=" + "[" * 100_000, "training.batch_size: Input should be"),
    ("training.learning_rate=nan", "training.learning_rate: Input should be a valid number, not 'nan'"),
    ("training.learning_rate=1e999", "training.learning_rate: Input should be"),
    ("training.betas=0.9", "training.betas.1: Field required"),
    ("unet.learned_variance=1", "unet.learned_variance: Input should be a valid boolean"),
    ("unet.channel_mults=[]", "channel_mults must name at least one level"),
    ("unet.channel_mults=1,x", "unet.channel_mults: Input should be"),
    ("unet.groups=3", "base_channels 8 must be a multiple of groups 3"),
    ("unet.image_size=27", "image_size 27 cannot be halved"),
    ("schedule=square", "unknown schedule 'square': choose one of linear, cosine"),
    ("T=2", "sampling.steps must be between 1 and T=2, not 5"),
    ("variance=learned-range", "needs a network with variance channels"),
    ("data=\udcff", "is not UTF-8"),
]


@pytest.mark.parametrize(("setting", "message"), WRONG, ids=[setting[:40] for setting, _ in WRONG])
def test_a_field_that_can_not_be_set_is_named(run, tmp_path, setting, message):
    status, _, err = run("train", *SHORT, "--set", setting)
    assert status == 1
    assert message in one_line(err)
    assert list(tmp_path.iterdir()) == []


CONTRADICTIONS = [
    (("--set", "T=20", "--set", "T=30"), "T is given twice, as 20 and as 30: leave one of them out"),
    (("--set", "training.steps=2", "--steps", "3"), "training.steps is given twice, as 2 and as 3"),
    (("--set", "training.seed=2", "--seed", "3"), "training.seed is given twice, as 2 and as 3"),
    (("--set", "data=mnist", "--data", "mnist-5k"), "data is given twice, as mnist-5k and as mnist"),
    (("--set", "skip_broken=false", "--skip-broken"), "skip_broken is given twice, as true and as false"),
    (("--set", "training.steps=2", "--minutes", "1"), "--minutes would do nothing here"),
]


@pytest.mark.parametrize(("words", "message"), CONTRADICTIONS, ids=[message[:30] for _, message in CONTRADICTIONS])
def test_nothing_is_set_in_two_ways(run, tmp_path, words, message):
    status, _, err = run("train", *SHORT, *words)
    assert status in (1, 2)
    assert message in one_line(err)
    assert list(tmp_path.iterdir()) == []


def test_what_was_set_is_in_the_folder_and_trained(run, tmp_path):
    status, _, err = run(
        "train", *SHORT, "--out", "r", "--steps", 2, "--seed", 5, "--set", "training.batch_size=3", "--set", "T=50"
    )
    assert status == 0, err
    saved = RunConfig.from_json(config_in(tmp_path / "r"))
    assert saved == changed(TINY, ["training.batch_size=3", "T=50", "training.steps=2", "training.seed=5"])
    assert saved == RunConfig.from_json(read_tensors(tmp_path / "r" / CHECKPOINT)[1]["config"])
    for word in (("--set", "T=20"), ("--skip-broken",)):
        status, _, err = run("train", "--resume", "r", *word)
        assert status == 2
        assert f"{word[0]} would do nothing here: --resume goes on as the run began" in one_line(err)


def test_a_classifier_takes_fields_and_folders_too(run, tmp_path):
    folder = pictures(tmp_path / "own", "a", "b", n=10)
    words = ("train-classifier", "--data", folder, "--steps", 11, "--out", "c.safetensors", *OWN)
    status, _, err = run(*words)
    assert status == 0, err
    card = read_tensors(tmp_path / "c.safetensors")[1]
    assert card["classes"] == 2
    assert card["classifier"]["unet"]["image_size"] == 8


# --- a folder of pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "more", "expected"),
    [
        ((), (), 0),
        (("one",), (), 0),
        (("b", "a"), (), 2),
        (("b", "a"), ("unet.classes=0",), 0),
        ((), ("unet.in_channels=1",), 0),
    ],
)
def test_a_run_on_a_folder_takes_its_classes(run, tmp_path, classes, more, expected):
    pictures(tmp_path / "own", *classes)
    more = [word for each in more for word in ("--set", each)]
    status, out, err = run("train", "--data", "own", "--steps", 2, *OWN, *more)
    assert status == 0, err
    assert "pictures" in out
    saved = RunConfig.from_json(config_in(tmp_path / "runs" / "pictures"))
    assert saved.data == str(tmp_path / "own")
    assert saved.names == (tuple(sorted(classes)) if len(classes) > 1 else ())
    assert saved.unet.classes == expected
    assert runs.images_of(saved, "train").images.shape[1:] == (saved.unet.in_channels, 8, 8)
    assert runs.open_run(str(tmp_path / "runs" / "pictures"), CPU).classes == expected


def test_another_preset_can_take_a_folder_and_pictures_needs_one(run, tmp_path):
    pictures(tmp_path / "own", "a", "b")
    assert run("train", *SHORT, "--data", "./own", "--steps", 1, "--out", "r")[0] == 0
    saved = RunConfig.from_json(config_in(tmp_path / "r"))
    assert (saved.unet.classes, saved.unet.in_channels, saved.data) == (2, 1, str(tmp_path / "own"))
    status, _, err = run("train", "--preset", "pictures")
    assert status == 1
    assert "unknown data set 'pictures'" in one_line(err)
    status, _, err = run("train", *SHORT, "--data", "own", "--set", "unet.classes=5", "--out", "s")
    assert status == 1
    assert "unet.classes=5 is more than the 2 classes in" in err
    status, _, err = run("train", *SHORT, "--data", "own", "--set", "unet.classes=1", "--out", "s")
    assert status == 1
    assert "labels must be from 0 to 0, not 0 to 1" in one_line(err)
    assert not (tmp_path / "s").exists()


def test_broken_pictures_are_left_out_on_request_and_then_always(run, tmp_path):
    pictures(tmp_path / "own")
    (tmp_path / "own" / "x.png").write_bytes(b"no picture")
    words = ("train", "--data", "own", "--steps", 1, "--out", "r", *OWN)
    status, _, err = run(*words)
    assert status == 1
    assert "--skip-broken" in one_line(err)
    assert not (tmp_path / "r").exists()
    assert run(*words, "--skip-broken")[0] == 0
    assert len(runs.resume(tmp_path / "r", CPU).data) == 3


@pytest.mark.parametrize("case", ["gone", "another class", "no classes"])
def test_a_run_whose_folder_has_changed_says_so(run, tmp_path, case):
    own = pictures(tmp_path / "own", "a", "b")
    assert run("train", "--data", "own", "--steps", 1, "--out", "r", *OWN)[0] == 0
    if case == "another class":
        pictures(tmp_path / "own", "c")
    elif case == "gone":
        own.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(own)
        pictures(own)
    status, _, err = run("train", "--resume", "r", "--steps", 2, "--device", "cpu")
    assert status == 1
    assert str(own) in one_line(err)
    said = {"gone": "does not exist", "another class": "are a, b, c, but the run began with a, b: put them back"}
    assert said.get(case, "are none, but the run began with a, b") in one_line(err)


# --- too little memory ------------------------------------------------------------------------------------

SHORTAGES = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB\nmore"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("u1")),
    MemoryError(),
]


@pytest.mark.parametrize("shortage", SHORTAGES, ids=lambda error: (str(error) or "nothing said")[:20])
@pytest.mark.parametrize("batch", [16, 1])
def test_too_little_memory_says_what_to_set_and_blocks_no_next_try(run, tmp_path, monkeypatch, shortage, batch):
    def fail(*args):
        raise shortage

    words = ("train", *SHORT, "--out", "r", "--steps", 2)
    with monkeypatch.context() as patch:
        patch.setitem(RunConfig.loss_fn.fget.__globals__["LOSSES"], "simple", fail)
        status, _, err = run(*words, "--set", f"training.batch_size={batch}")
    assert status == 1
    line = one_line(err)
    assert line.startswith("mini-ddpm: not enough memory: begin again with ")
    assert ("--set training.batch_size=8," if batch == 16 else "--set unet.base_channels=") in line
    assert "--resume r" in line
    status, out, err = run(*words, "--set", "training.batch_size=4")
    assert status == 0, err
    assert "r held a run that had not taken a step: it is replaced, and nothing is lost" in out
    assert RunConfig.from_json(config_in(tmp_path / "r")).training.batch_size == 4


def test_too_little_memory_for_the_network_says_so(run, tmp_path, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(RunConfig, "new_state", fail)
    status, _, err = run("train", *SHORT, "--out", "r")
    assert status == 1
    assert "take a smaller network, with --set unet.base_channels=..." in one_line(err)
    assert not (tmp_path / "r").exists()


def test_too_little_memory_while_steps_are_timed_leaves_no_run(run, tmp_path, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr("mini_ddpm.runs.folder.steps_in", fail)
    status, _, err = run("train", *SHORT, "--out", "r", "--minutes", 1)
    assert status == 1
    assert one_line(err).endswith("begin again with --set training.batch_size=8, half of what it is")
    assert not (tmp_path / "r" / CHECKPOINT).exists()


def test_too_little_memory_to_draw_asks_for_fewer_images(run, monkeypatch):
    def fail(*args):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(runs, "report", fail)
    status, _, err = run("train", *SHORT, "--out", "r", "--steps", 1)
    assert status == 1
    assert "the run is trained to the end; draw fewer images: mini-ddpm sample r --n 10" in one_line(err)


def test_a_loss_that_is_no_number_at_once_blocks_no_next_try(run, monkeypatch):
    words = ("train", *SHORT, "--out", "r", "--steps", 2)
    with monkeypatch.context() as patch:
        patch.setitem(
            RunConfig.loss_fn.fget.__globals__["LOSSES"],
            "simple",
            lambda d, m, x_0, t, eps: m(x_0, t).sum((1, 2, 3)) / 0,
        )
        status, _, err = run(*words)
    assert status == 1
    assert "--set training.learning_rate=0.001" in one_line(err)
    assert run(*words)[0] == 0


# --- who may use a run folder -----------------------------------------------------------------------------


def test_only_a_run_that_has_not_taken_a_step_is_replaced(tmp_path):
    folder = tmp_path / "r"
    assert not runs.start(TINY, folder, CPU).replaced
    assert runs.start(TINY, folder, CPU).replaced
    run = runs.start(replace(TINY, training=replace(TINY.training, steps=1)), folder, CPU)
    whole = (folder / CHECKPOINT).read_bytes()
    (folder / "metrics.csv").touch()
    with pytest.raises(ValueError, match=r"already holds a run: go on with --resume .* \(in Python runs.resume\)"):
        runs.start(TINY, folder, CPU)
    (folder / "metrics.csv").unlink()
    (folder / CHECKPOINT).write_bytes(whole[:-9])
    with pytest.raises(ValueError, match="already holds a run"):
        runs.start(TINY, folder, CPU)
    (folder / CHECKPOINT).write_bytes(whole)
    assert runs.fit(run)
    (folder / "metrics.csv").unlink()
    with pytest.raises(ValueError, match="already holds a run"):
        runs.start(TINY, folder, CPU)


def test_a_run_that_somebody_trains_is_not_replaced(tmp_path):
    run = runs.start(TINY, tmp_path, CPU)

    def meanwhile():
        with pytest.raises(ValueError, match="another process trains in"):
            runs.start(TINY, tmp_path, CPU)

    assert runs.fit(spied(run, meanwhile))


def spied(run, meanwhile, at=1):
    """The run; `meanwhile` is called once, in its step `at`."""

    class Spied(runs.Run):
        def steps(self):
            for step in super().steps():
                if step.step == at:
                    meanwhile()
                yield step

    return Spied(run.folder, run.config, run.state, run.data)


@pytest.mark.parametrize("case", ["replaced", "moved", "removed"])
@pytest.mark.skipif(os.name == "nt", reason="no folder with an open file is moved there")
def test_a_folder_that_was_moved_or_replaced_gets_no_save(tmp_path, case):
    folder, saved = tmp_path / "r", runs.start(TINY, tmp_path / "other", CPU).folder / CHECKPOINT
    run = runs.start(replace(TINY, training=replace(TINY.training, steps=20)), folder, CPU)

    def meanwhile():
        if case == "removed":
            shutil.rmtree(folder)
            return
        folder.rename(tmp_path / "moved")
        if case == "replaced":
            shutil.copytree(tmp_path / "other", folder)
            (folder / ".lock").touch()

    with pytest.raises(ValueError, match="was moved, removed or replaced while it was trained in"):
        runs.fit(spied(run, meanwhile))
    if case == "replaced":
        assert (folder / CHECKPOINT).read_bytes() == saved.read_bytes()
        assert {path.name for path in folder.iterdir()} == {CHECKPOINT, "config.json", ".lock"}
    else:
        assert not folder.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["training"].update(steps=99), "config.json says training.steps=99, but the run began with 30"),
        (lambda c: c.update(T=9, sampling={**c["sampling"], "steps": 2}), "config.json says sampling.steps=2"),
        (lambda c: c.update(more=1), "config.json is damaged (more: Unexpected keyword argument"),
    ],
)
def test_an_edited_config_is_not_ignored(tmp_path, change, message):
    run = runs.start(TINY, tmp_path, CPU)
    content = config_in(tmp_path)
    change(content)
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CheckpointError) as caught:
        runs.resume(tmp_path, CPU)
    assert message in str(caught.value)
    (tmp_path / "config.json").unlink()
    assert runs.resume(tmp_path, CPU).config == run.config
    assert RunConfig.from_json(config_in(tmp_path)) == run.config


def test_a_config_of_an_earlier_version_is_the_same(tmp_path):
    runs.start(TINY, tmp_path, CPU)
    content = config_in(tmp_path)
    del content["names"], content["skip_broken"]
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    assert runs.resume(tmp_path, CPU).config == TINY


def test_a_folder_with_the_name_of_a_shipped_model_is_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs.start(TINY, tmp_path / "mnist", CPU)
    with pytest.raises(CheckpointError, match=r"mnist is a run folder here and a shipped model, too: write \./mnist"):
        find("mnist")
    assert find("./mnist").resolve() == tmp_path / "mnist" / CHECKPOINT
    assert find(str(WEIGHTS / "mnist.safetensors")) == WEIGHTS / "mnist.safetensors"
    assert find("cifar10").parent == WEIGHTS
