"""Runs survive: a failure anywhere, a second process, a terminal that goes away, and files with wrong values."""

import copy
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from conftest import one_line

from mini_ddpm import runs
from mini_ddpm.data import load
from mini_ddpm.files import CheckpointError, read_tensors, write_tensors
from mini_ddpm.runs.guard import LOCK
from mini_ddpm.runs.presets import RunConfig, SampleConfig, preset
from mini_ddpm.training import TrainConfig, load_checkpoint, snapshot, train
from mini_ddpm.unet import UNetConfig

CPU, TINY, CHECKPOINT = torch.device("cpu"), preset("tiny"), runs.CHECKPOINT
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def tiny(steps, **changes):
    return replace(TINY, training=replace(TINY.training, steps=steps), **changes)


def everything(state):
    """All that a run consists of, as one comparable list."""
    parts = [state.model.state_dict(), state.ema.state_dict(), state.times.state_dict()]
    moments = [value for entry in state.optimizer.state.values() for value in entry.values()]
    tensors = [tensor for part in parts for tensor in part.values()] + moments + [torch.get_rng_state()]
    return [state.step, *(tensor.clone() for tensor in tensors)]


def same(a, b):
    return len(a) == len(b) and a[0] == b[0] and all(map(torch.equal, a[1:], b[1:]))


# --- all or nothing -------------------------------------------------------------------------------------


class PlantedError(Exception):
    """Raised in the middle."""


def failing_at(number, function):
    """Call with a failure in the number-th line that `load_checkpoint` runs; True if it has that many."""
    lines = []

    def trace(frame, event, argument):
        if frame.f_code is not load_checkpoint.__code__:
            return None
        if event == "line":
            lines.append(frame.f_lineno)
            if len(lines) == number:
                raise PlantedError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except PlantedError:
        return True
    finally:
        sys.settrace(before)
    return False


def test_a_failed_load_leaves_everything_as_it_was(tmp_path):
    """A failure at each of its lines in turn; in loops, at several rounds."""
    config = tiny(8, times="importance", T=30, sampling=replace(TINY.sampling, steps=5))
    run = runs.start(config, tmp_path, CPU)
    assert runs.fit(run)
    state = config.new_state(CPU)
    for _ in zip(train(config.diffusion, state, run.data, config.loss_fn, config.training), range(3), strict=False):
        pass
    before, saved = everything(state), tmp_path / CHECKPOINT
    numbers = [*range(1, 60), *range(60, 5000, 97)]
    tried = 0
    for number in numbers:
        if not failing_at(number, lambda: load_checkpoint(saved, state)):
            break
        tried += 1
        assert same(everything(state), before), number
    assert tried > 50
    assert same(everything(state)[:-1], everything(run.state)[:-1])  # the last call was whole


def test_a_step_that_fails_has_not_been_taken():
    state = TINY.new_state(CPU)
    data, calls = load("mnist-5k"), []

    def failing(*arguments):
        calls.append(arguments)
        losses = TINY.loss_fn(*arguments)
        if len(calls) == 3:
            raise PlantedError
        return losses

    steps = train(TINY.diffusion, state, data, failing, TINY.training)
    next(steps), next(steps)
    before = everything(state)
    with pytest.raises(PlantedError):
        next(steps)
    assert same(everything(state)[:-1], before[:-1])
    assert {int(entry["step"]) for entry in state.optimizer.state.values()} == {state.step} == {2}


def test_a_snapshot_brings_everything_back():
    state = TINY.new_state(CPU)
    steps = train(TINY.diffusion, state, load("mnist-5k"), TINY.loss_fn, TINY.training)
    next(steps)
    restore, before = snapshot(state), everything(state)
    next(steps)
    assert not same(everything(state), before)
    restore()
    assert same(everything(state), before)
    once = copy.deepcopy(next(train(TINY.diffusion, state, load("mnist-5k"), TINY.loss_fn, TINY.training)))
    restore()
    assert torch.equal(
        next(train(TINY.diffusion, state, load("mnist-5k"), TINY.loss_fn, TINY.training)).loss, once.loss
    )


def test_training_beyond_the_end_is_training_to_the_end(tmp_path):
    run = runs.start(tiny(12), tmp_path, CPU)
    assert runs.fit(run, until=500)
    assert read_tensors(tmp_path / CHECKPOINT)[1]["step"] == 12
    assert runs.read_metrics(tmp_path)[-1]["step"] == 12


# --- two processes ----------------------------------------------------------------------------------------


def started(folder, *more, steps=100_000, **how):
    """A training in a process of its own, once it has begun."""
    command = [sys.executable, "-m", "mini_ddpm", "train", "--preset", "tiny", "--device", "cpu", "--out", str(folder)]
    process = subprocess.Popen([*command, "--steps", str(steps), *more], **how)
    deadline = time.monotonic() + 120
    while not (folder / "metrics.csv").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        if (folder / CHECKPOINT).exists() and (folder / LOCK).exists():
            break
    return process


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    folder = tmp_path / "run"
    first = started(folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run = runs.resume(folder, CPU)
        with pytest.raises(ValueError, match=r"another process trains in .*run: wait for it, or choose another folder"):
            runs.fit(run)
    finally:
        first.kill()
        first.wait()
    assert runs.fit(replace(run, config=tiny(2)))  # the lock went with its process


def test_where_no_file_can_be_locked_training_goes_on(tmp_path, monkeypatch):
    def unknown(self, **how):
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", unknown)
    assert runs.fit(runs.start(tiny(2), tmp_path, CPU))


# --- the terminal goes away -------------------------------------------------------------------------------


def saved_step(folder):
    return read_tensors(folder / CHECKPOINT)[1]["step"]


@posix
@pytest.mark.parametrize(("screen", "number"), [("closed pipe", "SIGINT"), ("full", "SIGTERM"), ("none", "SIGHUP")])
def test_whatever_becomes_of_the_screen_a_request_to_stop_saves(tmp_path, screen, number):
    folder, how = tmp_path / "run", {}
    if screen == "closed pipe":
        reader, writer = os.pipe()
        how = {"stdout": writer, "stderr": writer}
    elif screen == "full":
        how = {"stdout": open("/dev/full", "w", encoding="utf-8"), "stderr": subprocess.STDOUT}  # noqa: SIM115
    else:
        how = {"preexec_fn": lambda: (os.close(1), os.close(2))}
    process = started(folder, **how)
    if screen == "closed pipe":
        os.close(writer)
        os.close(reader)
    time.sleep(1.5)
    process.send_signal(getattr(signal, number))
    assert process.wait(60) == 130
    assert saved_step(folder) > 0


@posix
def test_nohup_is_left_alone(tmp_path):
    folder = tmp_path / "run"
    process = started(
        folder, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN), stderr=subprocess.DEVNULL
    )
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130


@posix
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_command_says_so_and_leaves_nothing_half(tmp_path, number):
    command = [sys.executable, "-m", "mini_ddpm", "sample", "mnist", "--n", "64", "--steps", "1000", "--device", "cpu"]
    shown = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=shown)
    while (text := process.stderr.read(40)) and "%" not in text:  # the bar is there: it draws
        pass
    assert text
    process.send_signal(getattr(signal, number))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "mini-ddpm: interrupted"
    assert list(tmp_path.iterdir()) == []


IMPATIENT = """
import os, runpy, signal, sys

module, sys.argv = sys.argv[1], ["mini-ddpm", *sys.argv[2:]]

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
runpy.run_module("mini_ddpm", run_name="__main__")
"""


@posix
@pytest.mark.parametrize("module", ["mini_ddpm.commands", "torch", "numpy", "numpy._core.multiarray", "mini_ddpm.runs"])
def test_ctrl_c_while_modules_are_imported_is_heard(tmp_path, module):
    """C code that imports numpy would swallow a KeyboardInterrupt, and the command would go on."""
    command = [sys.executable, "-c", IMPATIENT, module, "sample", "mnist", "--n", "1", "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()) == (130, ["mini-ddpm: interrupted"])
    assert list(tmp_path.iterdir()) == []


KILLS = int(os.environ.get("MINI_DDPM_KILLS", "20"))  # 200 with `make test-long`


TRAINER = """
import os, sys, torch
from dataclasses import replace
from pathlib import Path
from mini_ddpm import runs
from mini_ddpm.runs import folder

torch.set_num_threads(1)
folder.SAVE_EVERY, folder.LOG_EVERY, path, cpu = 0, 1, Path(sys.argv[1]), torch.device("cpu")
config = replace(runs.preset("tiny"), training=replace(runs.preset("tiny").training, steps=10**6))
for _ in sys.stdin:  # a child each time: what takes long is to import torch
    if os.fork() == 0:
        there = (path / "checkpoint.safetensors").exists()
        run = runs.resume(path, cpu) if there else runs.start(config, path, cpu)
        print(os.getpid(), flush=True)
        runs.fit(run)
    os.wait()
"""


@posix
def test_kills_at_any_moment_lose_nothing(tmp_path):
    """kill -9 after a random time, again and again: the checkpoint is whole, and no further back than before."""
    folder, at, step, moved = tmp_path / "run", random.Random(0), -1, 0
    trainer = subprocess.Popen(
        [sys.executable, "-c", TRAINER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    window = 0.0
    for _ in range(KILLS):
        trainer.stdin.write("go\n")
        trainer.stdin.flush()
        child, started_at = int(trainer.stdout.readline()), time.monotonic()
        while not window and saved_step(folder) < 2:  # the first one shows how long this machine takes to save
            time.sleep(0.01)
        window = window or 2 * (time.monotonic() - started_at)
        time.sleep(at.uniform(0, window))
        os.kill(child, signal.SIGKILL)
        now = saved_step(folder)
        assert now >= step
        moved += now > step
        step = now
        runs.read_metrics(folder)
    trainer.communicate()
    assert moved > KILLS / 4
    assert runs.fit(replace(runs.resume(folder, CPU), config=tiny(step + 1)))
    assert {path.name for path in folder.iterdir()} <= {CHECKPOINT, "config.json", "metrics.csv", LOCK}


# --- wrong values in files --------------------------------------------------------------------------------

WRONG_CONFIGS = [
    ("unet.groups", 0, "unet.groups: Input should be greater than or equal to 1, not 0"),
    ("unet.groups", True, "unet.groups: Input should be a valid integer, not True"),
    ("unet.base_channels", 1.5, "unet.base_channels: Input should be a valid integer"),
    ("unet.base_channels", 9, "base_channels 9 must be a multiple of groups 4"),
    ("unet.base_channels", 4096, "does not fit the network its config describes"),
    ("unet.base_channels", 10**9 * 4, "unet.base_channels: Input should be less than or equal to 4096"),
    ("unet.blocks", 10**6, "unet.blocks: Input should be less than or equal to 4096"),
    ("unet.classes", 10**30, "unet.classes: Input should be less than or equal to 1048576"),
    ("unet.channel_mults", [], "unet: channel_mults must name at least one level"),
    ("unet.channel_mults", [[1]], "unet.channel_mults.0: Input should be a valid integer"),
    ("unet.fourier", [5000], "unet.fourier.0: Input should be less than or equal to 16"),
    ("unet.dropout", -0.1, "unet.dropout: Input should be greater than or equal to 0"),
    ("unet.heads", 0, "unet.heads: Input should be greater than or equal to 1"),
    ("unet.more", 1, "unet.more: Unexpected keyword argument"),
    ("training.batch_size", 10**19, "training.batch_size: Input should be less than or equal to 1048576"),
    ("training.steps", 1.5, "training.steps: Input should be a valid integer"),
    ("training.steps", None, "training.steps: Input should be a valid integer, not None"),
    ("training.learning_rate", float("nan"), "training.learning_rate: Input should be"),
    ("training.betas", [0.9], "training.betas.1: Field required"),
    ("training.seed", 2**70, "training.seed: Input should be less than"),
    ("sampling.sampler", "magic", "sampling: unknown sampler 'magic': choose one of ancestral, ddim, dpm-solver"),
    ("sampling.steps", 2000, "steps must be between 1 and T=1000, not 2000"),
    ("sampling", [], "sampling: Input should be"),
    ("schedule", "square", "unknown schedule 'square': choose one of linear, cosine"),
    ("schedule", ["linear"], "schedule: Input should be a valid string"),
    ("parameterization", "w", "unknown parameterization 'w'"),
    ("times", "x", "unknown times 'x'"),
    ("loss", "x", "unknown loss 'x'"),
    ("T", 0, "T: Input should be greater than 0"),
    ("T", 10**12, "T=1000000000000 is more than a million steps"),
    ("more", 1, "more: Unexpected keyword argument"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert runs.fit(runs.start(tiny(3), folder, CPU))
    return read_tensors(folder / CHECKPOINT)


@pytest.mark.parametrize(("field", "value", "message"), WRONG_CONFIGS, ids=lambda value: str(value)[:40])
def test_a_wrong_value_of_a_config_is_named_with_its_file(tmp_path, whole, field, value, message):
    tensors, card = copy.deepcopy(whole)
    *outer, last = field.split(".")
    (card["config"][outer[0]] if outer else card["config"])[last] = value
    write_tensors(tmp_path / CHECKPOINT, tensors, card)
    for use in (lambda: runs.resume(tmp_path, CPU), lambda: runs.open_run(str(tmp_path), CPU)):
        with pytest.raises(CheckpointError) as caught:
            use()
        assert message in str(caught.value)
        assert str(tmp_path / CHECKPOINT) in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def changed(name, change):
    def apply(tensors, card):
        tensors[name] = change(tensors[name])

    return apply


WEIGHT, EMA = "model.conv_in.weight", "ema.conv_in.weight"
MOMENT = "optimizer.exp_avg.conv_in.weight"
WRONG_CONTENTS = {
    "a weight of bool": (changed(WEIGHT, lambda x: x > 0), f"{WEIGHT} holds torch.bool"),
    "a complex weight": (changed(WEIGHT, lambda x: x.to(torch.complex64)), f"{WEIGHT} holds torch.complex64"),
    "a weight of integers": (changed(WEIGHT, lambda x: x.long()), f"{WEIGHT} holds torch.int64"),
    "a weight that is no number": (changed(WEIGHT, lambda x: x * float("nan")), f"{WEIGHT} holds numbers that are not"),
    "an infinite average": (changed(EMA, lambda x: x / 0), "conv_in.weight holds numbers that are not finite"),
    "a moment that would be broadcast": (
        changed(MOMENT, lambda x: x[:1, :1, :1, :1].clone()),
        f"{MOMENT} has shape (1, ",
    ),
    "a moment of nan": (changed(MOMENT, lambda x: x * float("nan")), f"{MOMENT} holds numbers that are not finite"),
    "a flat weight": (changed(WEIGHT, lambda x: x.flatten()), f"{WEIGHT} has shape ("),
    "no moment": (lambda tensors, card: tensors.pop(MOMENT), f"{MOMENT} is missing"),
    "one more tensor": (lambda tensors, card: tensors.update(more=torch.ones(1)), "more is unknown"),
    "a short random state": (changed("random.cpu", lambda x: x[:10].clone()), "is damaged"),
    "a random state of numbers": (changed("random.cpu", lambda x: x.float()), "is damaged"),
    "half a step": (lambda tensors, card: card.update(step=1.5), "its step is 1.5"),
    "a step before the first": (lambda tensors, card: card.update(step=-1), "its step is -1"),
    "a step that is true": (lambda tensors, card: card.update(step=True), "its step is True"),
    "no step": (lambda tensors, card: card.pop("step"), "its step is None"),
    "a config that is a list": (lambda tensors, card: card.update(config=[1]), "its config is wrong"),
    "no config": (lambda tensors, card: card.pop("config"), "it has no config"),
}


@pytest.mark.parametrize("case", WRONG_CONTENTS)
def test_a_checkpoint_of_wrong_values_is_named_and_changes_nothing(tmp_path, whole, case):
    change, message = WRONG_CONTENTS[case]
    tensors, card = copy.deepcopy(whole)
    change(tensors, card)
    write_tensors(tmp_path / CHECKPOINT, tensors, card)
    with pytest.raises(CheckpointError) as caught:
        runs.resume(tmp_path, CPU)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    state = tiny(3).new_state(CPU)
    before = everything(state)
    if "config" not in case:
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path / CHECKPOINT, state)
        assert same(everything(state), before)


METRICS = "step,loss,grad_norm,learning_rate,images_per_second,seconds\n"
WRONG_METRICS = ["", "step,loss\n1", METRICS + "1,x,1,1,1,1\n", METRICS + "1,1,1,1,1\n", METRICS + "1,1,1,1,1,1,1\n"]
WRONG_METRICS += [METRICS + "1,nan,1,1,1,1\n", METRICS + "1.5,1,1,1,1,1\n", METRICS + "2,1,1,1,1,1\n1,1,1,1,1,1\n"]
WRONG_METRICS += [METRICS.replace("loss", "lost") + "1,1,1,1,1,1\n", METRICS + '"1\n', METRICS.replace("\n", ",more\n")]
WRONG_METRICS += [METRICS + "1e999,1,1,1,1,1\n", METRICS + "\0,1,1,1,1,1\n"]


@pytest.mark.parametrize("content", WRONG_METRICS)
def test_a_damaged_log_is_named(content, tmp_path):
    (tmp_path / "metrics.csv").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"metrics\.csv is damaged: remove it"):
        runs.read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UNetConfig(groups=0), "groups: Input should be greater than or equal to 1, not 0"),
        (lambda: UNetConfig(channel_mults=[1, 2]), "channel_mults: Input should be a valid tuple, not [1, 2]"),
        (lambda: TrainConfig(steps=1.5), "steps: Input should be a valid integer, not 1.5"),
        (lambda: TrainConfig(rate=1), "rate: Unexpected keyword argument, not 1"),
        (lambda: replace(TINY.training, label_dropout=2.0), "label_dropout: Input should be less than or equal to 1"),
        (lambda: SampleConfig(eta=float("inf")), "eta: Input should be a finite number"),
        (lambda: SampleConfig(guidance=float("nan")), "guidance: Input should be a finite number"),
        (lambda: replace(TINY, schedule="square"), "unknown schedule 'square': choose one of linear, cosine"),
        (lambda: RunConfig.from_json({}), "data: Field required"),
    ],
)
def test_a_config_is_checked_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


@posix
@pytest.mark.parametrize(("screen", "status"), [("/dev/full", 1), ("a pipe that nobody reads", 0)])
def test_what_can_not_be_shown_is_said(screen, status):
    reader, writer = os.pipe()
    os.close(reader)
    out = open(screen, "w", encoding="utf-8") if screen.startswith("/") else writer  # noqa: SIM115
    command = [sys.executable, "-m", "mini_ddpm", "presets"]
    found = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True)
    assert found.returncode == status
    said = "mini-ddpm: what was to be shown could not be: No space left on device\n"
    assert found.stderr == (said if status else "")


def test_an_interrupt_after_training_says_how_to_go_on(run, monkeypatch):
    def pressed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "report", pressed)
    status, out, err = run("train", "--preset", "tiny", "--steps", 2, "--out", "r", "--device", "cpu")
    assert status == 130
    assert out.endswith("not drawn and measured to the end; for that: mini-ddpm train --resume r\n")
    assert err.splitlines()[-1] == "mini-ddpm: interrupted"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "--preset", "tiny", "--out", "x.png"), "x.png"),
        (("train", "--resume", "mnist"), "does not exist: --resume takes a folder that train has made"),
        (("export", "judge", "--out", "j.safetensors"), "is not a checkpoint of this package: it has no config"),
        (("sample", "mnist", "--device", "mps"), "device 'mps' is not available here: choose cuda, mps or cpu"),
        (("sample", "mnist", "--steps", "x"), "(see mini-ddpm sample --help)"),
        (("sample", "folder"), "neither a run folder nor a shipped model"),
        (("sample", "run"), "checkpoint.safetensors is not a file"),
    ],
)
@posix
def test_what_is_no_run_is_named(run, tmp_path, words, message):
    (tmp_path / "x.png").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / CHECKPOINT)
    status, _, err = run(*words)
    assert status in (1, 2)
    assert message in one_line(err)


@posix
def test_a_picture_may_be_thrown_away(run):
    assert run("sample", "mnist", "--n", 1, "--steps", 1, "--out", "/dev/null")[0] == 0
