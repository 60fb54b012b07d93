import math
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mini_ddpm import files, runs
from mini_ddpm.data import ImageSet, load
from mini_ddpm.diffusion import Diffusion, predict_x_0
from mini_ddpm.files import CheckpointError, read_tensors, write_tensors
from mini_ddpm.losses import ImportanceTimes, simple_loss
from mini_ddpm.runs.presets import preset
from mini_ddpm.runs.trained import read_config
from mini_ddpm.sampling import sample
from mini_ddpm.schedules import NoiseSchedule, linear_betas
from mini_ddpm.training import TrainConfig, TrainState, drop_labels, load_checkpoint, train
from mini_ddpm.unet import UNet

TINY = preset("tiny")
CPU = torch.device("cpu")
CHECKPOINT = runs.CHECKPOINT


def tiny(steps):
    return replace(TINY, training=replace(TINY.training, steps=steps))


def same(a: Path, b: Path) -> bool:
    (left, left_json), (right, right_json) = read_tensors(a), read_tensors(b)
    return left_json == right_json and left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_one_batch_is_overfitted():
    """Four images come out at 0.16; the whole set, in as many steps, at 0.26 (two seeds, each within 0.01)."""
    torch.manual_seed(0)
    config = replace(TINY.training, steps=200, learning_rate=8e-3, decay_from=0.3)
    state = TrainState(UNet(replace(TINY.unet, base_channels=16)), config)
    digits = load("mnist-5k")
    few = ImageSet(digits.images[:4], digits.labels[:4])
    losses = [float(step.loss) for step in train(TINY.diffusion, state, few, simple_loss, config)]
    assert losses[0] > 0.7
    assert sum(losses[-50:]) / 50 < 0.2


def test_every_time_is_trained():
    """t covers 1..T, both ends included."""
    seen = []

    def spy(diffusion, model, x_0, t, eps):
        seen.append(t)
        return simple_loss(diffusion, model, x_0, t, eps)

    config = replace(TINY.training, steps=20, batch_size=64)
    diffusion = Diffusion(NoiseSchedule.from_betas(linear_betas(30)), predict_x_0)
    for _ in train(diffusion, TrainState(UNet(TINY.unet), config), load("mnist-5k"), spy, config):
        pass
    counts = torch.cat(seen).bincount(minlength=31)
    assert counts[0] == 0
    assert len(counts) == 31
    assert counts[1:].min() > 15


def test_average_is_of_the_weights():
    config = replace(TINY.training, steps=3)
    state = TrainState(UNet(TINY.unet), config)
    average = state.model.conv_in.weight.detach().clone()
    for step in train(TINY.diffusion, state, load("mnist-5k"), simple_loss, config):
        decay = (1 + step.step) / (10 + step.step)
        average = decay * average + (1 - decay) * state.model.conv_in.weight.detach()
        torch.testing.assert_close(state.ema.conv_in.weight, average)
        assert state.ema.conv_in.weight.grad_fn is None, "the average remembers every step, and memory grows"


def test_average_reaches_its_decay():
    config = TrainConfig(ema_decay=0.999)
    assert config.ema_decay_at(1) == pytest.approx(2 / 11)
    assert config.ema_decay_at(100_000) == 0.999


def test_presets_are_the_papers_recipes():
    """DDPM, section 4 and appendix B; Improved DDPM, appendix A and its published flags."""
    ddpm, improved, short = (preset(f"cifar10-{name}") for name in ("ddpm", "improved", "25min"))
    t = ddpm.training
    assert (t.steps, t.batch_size, t.learning_rate, t.warmup_steps) == (800_000, 128, 2e-4, 5000)
    assert (t.clip_norm, t.ema_decay, t.weight_decay, t.decay_from) == (1.0, 0.9999, 0.0, 1.0)
    assert (ddpm.unet.dropout, ddpm.schedule, ddpm.T) == (0.1, "linear", 1000)
    assert (ddpm.parameterization, ddpm.loss, ddpm.variance) == ("eps", "simple", "fixed-large")
    assert (improved.schedule, improved.T, improved.loss, improved.variance) == (
        "cosine",
        4000,
        "hybrid",
        "learned-range",
    )
    assert (improved.training.steps, improved.training.learning_rate) == (500_000, 1e-4)
    assert (improved.unet.blocks, improved.unet.attention, improved.unet.heads) == (3, (16, 8), 4)
    assert not short.unet.classes
    for config in (ddpm, improved, short, preset("cifar10-laptop")):
        with torch.device("meta"):  # shapes only
            network = UNet(config.unet)
            out = network(torch.empty(1, 3, 32, 32), torch.ones(1, dtype=torch.long))
        assert out.shape == (1, 6 if config is improved else 3, 32, 32)
        assert config.loss_fn is not None
        assert config.diffusion.timesteps[0] == config.T


def test_learning_rate_rises_stays_and_falls():
    config = TrainConfig(steps=100, learning_rate=1.0, warmup_steps=10, decay_from=0.5)
    assert [config.learning_rate_at(step) for step in (1, 5, 10, 30, 50)] == [0.1, 0.5, 1.0, 1.0, 1.0]
    assert config.learning_rate_at(75) == pytest.approx(0.5)
    assert config.learning_rate_at(100) == pytest.approx(0)
    assert TrainConfig().learning_rate_at(800_000) == 2e-4


def test_every_step_uses_its_learning_rate():
    config = replace(TINY.training, steps=6, warmup_steps=3, decay_from=0.5)
    state = TrainState(UNet(TINY.unet), config)
    used = [
        state.optimizer.param_groups[0]["lr"]
        for _ in train(TINY.diffusion, state, load("mnist-5k"), simple_loss, config)
    ]
    assert used == [config.learning_rate_at(step) for step in range(1, 7)]
    assert len(set(used)) > 3


def test_gradient_is_clipped():
    config = replace(TINY.training, steps=1, clip_norm=1e-4)
    state = TrainState(UNet(TINY.unet), config)
    (step,) = train(TINY.diffusion, state, load("mnist-5k"), simple_loss, config)
    after = math.sqrt(sum(float(p.grad.square().sum()) for p in state.model.parameters() if p.grad is not None))
    assert float(step.grad_norm) > 0.01
    assert after == pytest.approx(1e-4, rel=0.01)


def test_labels_are_dropped_at_the_rate_asked_for():
    torch.manual_seed(0)
    y = torch.arange(10).repeat(1000)
    dropped = drop_labels(y, 10, 0.1)
    assert float((dropped == 10).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(dropped[dropped != 10], y[dropped != 10])
    assert torch.equal(drop_labels(y, 10, 0.0), y)


class NoWaiting(TorchDispatchMode):
    """Refuses every operation for which the host would have to wait for a GPU to answer."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket.__name__ not in self.WAITING, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("preset_name", ["tiny", "mnist-improved"])
def test_no_step_waits_for_the_device(preset_name):
    """Neither L_simple nor L_hybrid; sampling neither."""
    chosen = preset(preset_name)
    config = replace(chosen.training, steps=2, batch_size=2)
    state, data, process = chosen.new_state(CPU), load("mnist-5k"), replace(chosen.diffusion, steps=2)
    with NoWaiting():
        for _ in train(process, state, data, chosen.loss_fn, config):
            pass
        for step in sample(chosen.sampling.step, process, state.ema, torch.randn(2, 1, 28, 28)):
            last = step
    assert last.t == 0
    with pytest.raises(AssertionError, match="waits for the device"), NoWaiting():
        float(torch.ones(()))


# --- run folders ----------------------------------------------------------------------------------------


def test_resume_is_bit_for_bit_after_a_kill(tmp_path):
    """A process killed at an arbitrary moment, then resumed, ends where an undisturbed one does."""
    script = (
        "import sys, torch; from pathlib import Path; from dataclasses import replace\n"
        "from mini_ddpm import runs; from mini_ddpm.runs.presets import preset\n"
        "import mini_ddpm.runs.folder as folder; folder.SAVE_EVERY = 0; tiny = preset('tiny')\n"
        "config = replace(tiny, training=replace(tiny.training, steps=60))\n"
        "run = runs.start(config, Path(sys.argv[1]), torch.device('cpu'))\n"
        "print('started', flush=True); runs.fit(run)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "killed")], stdout=subprocess.PIPE)
    process.stdout.readline()
    metrics = tmp_path / "killed" / "metrics.csv"
    while not metrics.exists() or metrics.stat().st_size < 300:  # three rows; Windows replaces no open file
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    resumed = runs.resume(tmp_path / "killed", CPU)
    assert 0 < resumed.state.step < 60
    assert runs.fit(resumed)
    undisturbed = runs.start(tiny(60), tmp_path / "whole", CPU)
    assert runs.fit(undisturbed)
    assert same(tmp_path / "killed" / CHECKPOINT, tmp_path / "whole" / CHECKPOINT)
    rows, expected = (runs.read_metrics(tmp_path / name) for name in ("killed", "whole"))
    assert [(r["step"], r["loss"], r["grad_norm"]) for r in rows] == [
        (r["step"], r["loss"], r["grad_norm"]) for r in expected
    ]


def test_resume_keeps_the_history_of_losses(tmp_path):
    config = replace(tiny(12), times="importance", T=30, sampling=replace(TINY.sampling, steps=5))
    whole = runs.start(config, tmp_path / "whole", CPU)
    for step in whole.steps():
        if step.step == 6:
            whole.save()
    middle = read_tensors(tmp_path / "whole" / CHECKPOINT)[0]
    resumed = runs.resume(tmp_path / "whole", CPU)
    assert torch.equal(resumed.state.times.history, middle["times.history"])
    assert int(resumed.state.times.count.sum()) == 6 * TINY.training.batch_size
    for _ in resumed.steps():
        pass
    assert torch.equal(resumed.state.times.history, whole.state.times.history)
    assert torch.equal(resumed.state.times.count, whole.state.times.count)
    with pytest.raises(CheckpointError, match=r"times.count has shape \(30,\)"):
        load_checkpoint(tmp_path / "whole" / CHECKPOINT, replace(config, T=40).new_state(CPU))


def test_losses_are_weighted_in_the_step_and_recorded_without(monkeypatch):
    """The step minimises mean(weight * loss); the history keeps the loss."""
    config = replace(tiny(1), times="importance", T=30, sampling=replace(TINY.sampling, steps=5))
    state = config.new_state(CPU)
    state.times.history += 1.0
    state.times.history[:15] = 3.0
    state.times.count += 10
    before = state.times.history.clone()

    def constant(diffusion, model, x_0, t, eps):
        return model(x_0, t).sum(dim=(1, 2, 3)) * 0 + 2.0

    step = next(train(config.diffusion, state, load("mnist-5k"), constant, config.training))
    assert float(step.loss) != 2.0
    new = state.times.history[state.times.history != before]
    assert set(new.tolist()) == {2.0}


def test_hybrid_without_a_variance_to_learn_is_refused():
    with pytest.raises(ValueError, match="hybrid teaches a learned variance"):
        replace(TINY, loss="hybrid").new_state(CPU)
    with pytest.raises(ValueError, match="needs a network with variance channels"):
        replace(TINY, variance="learned-range")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_between_steps(tmp_path, monkeypatch, number):
    run = runs.start(tiny(60), tmp_path / "run", CPU)
    real = run.config.loss_fn

    def interrupting(*args):
        if run.state.step == 22:  # steps done: this is the 23rd
            signal.raise_signal(number)
        return real(*args)

    monkeypatch.setitem(runs.RunConfig.loss_fn.fget.__globals__["LOSSES"], "simple", interrupting)
    assert not runs.fit(run)
    monkeypatch.undo()
    resumed = runs.resume(tmp_path / "run", CPU)
    assert resumed.state.step == 23
    assert runs.fit(resumed)
    runs.fit(runs.start(tiny(60), tmp_path / "whole", CPU))
    assert same(tmp_path / "run" / CHECKPOINT, tmp_path / "whole" / CHECKPOINT)


def test_divergence_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("mini_ddpm.runs.folder.SAVE_EVERY", 0)
    config = tiny(100)
    run = runs.start(config, tmp_path, CPU)
    real = config.loss_fn

    def exploding(*args):
        return real(*args) * (float("nan") if run.state.step >= 25 else 1)

    monkeypatch.setitem(runs.RunConfig.loss_fn.fget.__globals__["LOSSES"], "simple", exploding)
    with pytest.raises(runs.DivergedError, match=r"nan at step 30.*last good"):
        runs.fit(run)
    tensors, metadata = read_tensors(tmp_path / CHECKPOINT)
    assert metadata["step"] == 20
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_a_gradient_that_is_no_number_is_named(tmp_path, monkeypatch):
    run = runs.start(tiny(20), tmp_path, CPU)
    real = run.config.loss_fn

    def exploding(*args):
        losses = real(*args)
        return losses + (losses - losses).sqrt() if run.state.step == 9 else losses  # a root has no slope at 0

    monkeypatch.setitem(runs.RunConfig.loss_fn.fget.__globals__["LOSSES"], "simple", exploding)
    with pytest.raises(runs.DivergedError, match="the gradient's norm became nan at step 10"):
        runs.fit(run)


def test_diverged_losses_can_still_be_drawn_from():
    times = ImportanceTimes(3)
    times.record(torch.tensor([1, 2, 3] * 10), torch.tensor([1.0, 2.0, float("nan")] * 10))
    assert times.draw(3, 5, CPU)[1].tolist() == [1] * 5


def test_ctrl_c_in_the_last_step_comes_too_late(tmp_path, monkeypatch):
    run = runs.start(tiny(20), tmp_path, CPU)
    real = run.config.loss_fn

    def interrupting(*args):
        if run.state.step == 19:
            signal.raise_signal(signal.SIGINT)
        return real(*args)

    monkeypatch.setitem(runs.RunConfig.loss_fn.fget.__globals__["LOSSES"], "simple", interrupting)
    assert runs.fit(run)


@pytest.mark.parametrize("stalled", [1, 10_000])
def test_one_slow_save_does_not_put_off_the_next_for_hours(tmp_path, monkeypatch, stalled):
    """Seventy seconds a step, and a first save that takes `stalled` seconds."""
    run, now, saves = runs.start(tiny(60), tmp_path, CPU), [0.0], []
    real = run.config.loss_fn

    def minute(*args):
        now[0] += 70
        return real(*args)

    def save(run):
        saves.append(run.state.step)
        now[0] += stalled if len(saves) == 1 else 1

    monkeypatch.setattr("mini_ddpm.runs.folder.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(runs.Run, "save", save)
    monkeypatch.setitem(runs.RunConfig.loss_fn.fget.__globals__["LOSSES"], "simple", minute)
    assert runs.fit(run)
    assert saves == [10, 20, 30, 40, 50, 60]


def test_drawing_leaves_the_callers_precision_alone(monkeypatch):
    monkeypatch.setattr("mini_ddpm.training.has_bf16", lambda device: True)
    trained = runs.open_run("mnist", CPU)
    for _ in zip(runs.draw(trained, None, 1, 0), range(2), strict=False):
        assert not torch.is_autocast_enabled("cpu")


def test_minutes_become_steps(tmp_path):
    run = runs.start(tiny(10**6), tmp_path, CPU, minutes=0.1)
    assert 5 < run.config.training.steps < 2000
    assert read_config(tmp_path / CHECKPOINT).training.steps == run.config.training.steps
    assert run.state.step == 0


def test_interrupted_while_steps_are_timed_there_is_no_run(tmp_path, monkeypatch):
    """A checkpoint there would go on with the preset's length, not with the minutes."""

    def pressed(minutes, steps):
        next(steps)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mini_ddpm.runs.folder.steps_in", pressed)
        with pytest.raises(KeyboardInterrupt):
            runs.start(tiny(10**6), tmp_path, CPU, minutes=0.1)
    assert not (tmp_path / CHECKPOINT).exists()
    run = runs.start(tiny(10**6), tmp_path, CPU, minutes=0.1)
    assert run.config.training.steps < 2000
    assert [path.name for path in tmp_path.glob("*.safetensors")] == [CHECKPOINT]


def test_saving_takes_a_small_part_of_the_time(tmp_path, monkeypatch):
    """A network whose checkpoint takes 2 seconds to write is saved every 60 seconds, not every 30."""
    run, saves = runs.start(tiny(120), tmp_path, CPU), []
    monkeypatch.setattr(runs.Run, "save", lambda run: saves.append(run.state.step))
    clock = SimpleNamespace(perf_counter=lambda: run.state.step + 2 * len(saves))  # a step takes a second
    monkeypatch.setattr("mini_ddpm.runs.folder.time", clock)
    assert runs.fit(run)
    assert saves == [40, 110, 120]


def test_the_clock_waits_for_the_device(tmp_path, monkeypatch):
    """A GPU returns from a step at once; the time is known when its loss is read, here 90 seconds later."""
    run, done = runs.start(tiny(20), tmp_path, CPU), []

    class Late(torch.Tensor):
        def __float__(self):
            done.append(True)
            return 0.5

    steps = runs.Run.steps
    late = lambda run: (step._replace(loss=step.loss.as_subclass(Late)) for step in steps(run))  # noqa: E731
    monkeypatch.setattr(runs.Run, "steps", late)
    clock = SimpleNamespace(perf_counter=lambda: run.state.step + 90 * bool(done))
    monkeypatch.setattr("mini_ddpm.runs.folder.time", clock)
    assert runs.fit(run)
    first, second = runs.read_metrics(tmp_path)
    assert (first["seconds"], second["seconds"]) == (100, 110)
    assert first["images_per_second"] == pytest.approx(second["images_per_second"] / 10)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_full_disk_leaves_the_old_checkpoint(tmp_path):
    """A real failing write: the process may not write files larger than 100 kB."""
    run = runs.start(TINY, tmp_path, CPU)
    before = (tmp_path / CHECKPOINT).read_bytes()
    code = (
        "import resource, sys, torch; from pathlib import Path; from mini_ddpm import runs\n"
        "run = runs.resume(Path(sys.argv[1]), torch.device('cpu'))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: run.save()\n"
        "except OSError as error: print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "could not write" in out.stdout
    assert "make room" in out.stdout
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT, "config.json"]
    assert run.state.step == 0


@pytest.mark.parametrize("damage", ["truncate", "garbage", "foreign", "other network"])
def test_bad_checkpoints_are_named(tmp_path, damage):
    runs.start(TINY, tmp_path, CPU)
    path = tmp_path / CHECKPOINT
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "garbage":
        path.write_bytes(b"not a checkpoint")
    elif damage == "foreign":
        write_tensors(path, {"weight": torch.ones(2)}, {"made_by": "someone else"})
    else:
        tensors, metadata = read_tensors(path)
        metadata["config"]["unet"]["base_channels"] = 16
        write_tensors(path, tensors, metadata)
    for use in (lambda: runs.resume(tmp_path, CPU), lambda: runs.open_run(str(tmp_path), CPU)):
        with pytest.raises(CheckpointError, match=re.escape(str(path))):
            use()


def test_a_model_file_cannot_be_resumed(tmp_path):
    runs.start(TINY, tmp_path, CPU)
    tensors, metadata = read_tensors(tmp_path / CHECKPOINT)
    del metadata["step"]
    write_tensors(tmp_path / "m.safetensors", {k: v for k, v in tensors.items() if k.startswith("ema.")}, metadata)
    with pytest.raises(CheckpointError, match="not a training checkpoint"):
        load_checkpoint(tmp_path / "m.safetensors", TrainState(UNet(TINY.unet), TINY.training))


def test_started_twice_or_on_the_wrong_images(tmp_path, monkeypatch):
    assert runs.fit(runs.start(TINY, tmp_path / "run", CPU), until=1)
    with pytest.raises(ValueError, match="already holds a run"):
        runs.start(TINY, tmp_path / "run", CPU)
    wrong = replace(TINY, unet=replace(TINY.unet, image_size=32))
    with pytest.raises(ValueError, match=r"images of \(1, 32, 32\)"):
        runs.start(wrong, tmp_path / "other", CPU)
    assert not (tmp_path / "other").exists()


def test_a_large_model_is_written_in_shards(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {f"layer.{i}": torch.full((100_000,), float(i)) for i in range(12)}  # 400 kB each
    paths = files.write_shards(path, tensors, {"config": {"a": 1}}, limit=1_500_000)
    assert [p.name for p in paths] == [f"model-0000{i}-of-00006.safetensors" for i in range(1, 7)]
    assert all(p.stat().st_size <= 1_500_000 for p in paths)
    again, metadata = read_tensors(path)
    assert metadata == {"config": {"a": 1}}
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    old = paths[3].read_bytes()
    files.write_shards(path, {name: value + 1 for name, value in tensors.items()}, {}, limit=1_500_000)
    paths[3].write_bytes(old)  # as if the disk had been full before the fourth
    with pytest.raises(CheckpointError, match="belong to different models"):
        read_tensors(path)
    paths[3].unlink()
    with pytest.raises(CheckpointError, match="is in 6 shards, but 5 of them are there"):
        read_tensors(path)
    files.write_shards(path, {"layer": torch.ones(3)}, {})  # a smaller model takes its place
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match=r"huge alone takes 4,000,000 bytes, more than a shard of 1,500,000 can hold"):
        files.write_shards(path, {"huge": torch.ones(1_000_000)}, {}, limit=1_500_000)


def test_weights_as_training_left_them(tmp_path):
    run = runs.start(tiny(20), tmp_path / "run", CPU)
    assert runs.fit(run)
    raw = runs.open_run(str(tmp_path / "run"), CPU, averaged=False).model
    averaged = runs.open_run(str(tmp_path / "run"), CPU).model
    assert torch.equal(raw.conv_in.weight, run.state.model.conv_in.weight)
    assert not torch.equal(raw.conv_in.weight, averaged.conv_in.weight)
    with pytest.raises(CheckpointError, match="averaged weights only"):
        runs.open_run("mnist", CPU, averaged=False)


def test_a_checkpoint_of_another_kind_of_device_goes_on_with_new_noise(tmp_path):
    """As one that a GPU left, opened without it: everything but the noise to come is as it was."""
    run = runs.start(tiny(10), tmp_path, CPU)
    assert runs.fit(run)
    tensors, metadata = read_tensors(tmp_path / CHECKPOINT)
    tensors["random.cuda"] = tensors.pop("random.cpu")
    write_tensors(tmp_path / CHECKPOINT, tensors, metadata)
    resumed = runs.resume(tmp_path, CPU, steps=20)
    first = torch.randn(5)
    assert torch.equal(resumed.state.model.conv_in.weight, run.state.model.conv_in.weight)
    torch.manual_seed(0)
    assert not torch.equal(torch.randn(5), first)  # not the noise with which the run began
    assert runs.fit(resumed)
