"""Notebook 09: each measurement finds its own fault, patients are ill and the healthy one is well, files are whole."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

import notebooks
from mini_ddpm import measure
from mini_ddpm.course import p09, p09_controls, patients
from mini_ddpm.course.clinic import FAULTS
from mini_ddpm.data import ImageSet, load
from mini_ddpm.files import read_tensors, shipped

SEEDS = [0, 1, 2]
ILL = [case.patient for case in p09.CASES.values()]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_measurement_tells_broken_from_healthy(name, seed):
    fault = FAULTS[name]
    assert fault.healthy(fault.measure(seed))
    with fault.planted():
        assert not fault.healthy(fault.measure(seed))
    assert fault.healthy(fault.measure(seed)), "the fault is still in the package"


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_is_found_by_its_own_measurement_only(name, seed):
    """Each measurement points at one line, so a symptom leads to its cause."""
    with FAULTS[name].planted():
        found = [other for other, fault in FAULTS.items() if not fault.healthy(fault.measure(seed))]
    assert found == [name]


def test_a_fault_is_one_changed_line():
    for fault in FAULTS.values():
        assert len(fault.diff.splitlines()) == 3
        assert fault.right != fault.wrong
    with pytest.raises(ValueError, match="must occur once"), FAULTS["t off by one"]._replace(right="x_t").planted():
        pass


def test_cases_come_blind_and_every_fault_is_a_case_or_a_carrier():
    assert sorted([*ILL, *p09.CARRIERS]) == sorted(FAULTS)
    assert 8 <= len(ILL) <= 10
    assert [name for name in FAULTS if name in ILL] != ILL
    for case in p09.CASES.values():
        assert case.patient not in case.seen


def test_the_page_is_blind_until_a_reader_unfolds_a_file():
    cells = notebooks.read(notebooks.FOLDER / "09_clinic.ipynb").cells
    opened = {cell.source: cell for cell in cells if cell.source.startswith("examine(")}
    assert list(opened) == [f"examine({number})" for number in p09.CASES]
    for cell in opened.values():
        (output,) = cell.outputs
        assert re.fullmatch(
            r"<details><summary>The file of case \d</summary><pre>.*</pre></details>", output.data["text/html"], re.S
        )
    causes = [cell.source for cell in cells if "**Cause.**" in cell.source]
    assert len(causes) == len(p09.CASES)
    for source in causes:
        assert "**Cause.**" not in re.sub(r"<details>.*?</details>", "", source, flags=re.S)
    first = cells.index(opened["examine(1)"])
    last = next(k for k, cell in enumerate(cells) if cell.source.startswith("## Two files"))
    for cell in cells[first:last]:
        seen = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.S)
        assert not [case.patient for case in p09.CASES.values() if case.patient in seen]


def test_a_file_is_folded_and_its_text_whole():
    file = p09.Folded("one line", "if s < 0:\n  'x'")
    assert (
        file._repr_html_() == "<details><summary>one line</summary><pre>if s &lt; 0:\n  &#x27;x&#x27;</pre></details>"
    )
    assert repr(file) == "one line\n\nif s < 0:\n  'x'"


# --- what is stored ---------------------------------------------------------------------------------------


def test_the_healthy_one_is_well_over_three_seeds():
    assert [row["seed"] for row in p09.rows("healthy")] == SEEDS
    low, _ = p09.band("healthy", "accuracy")
    assert low > 0.95
    assert p09.band("healthy", "fd_judge")[1] < 1


@pytest.mark.parametrize("name", [*ILL, *p09.CARRIERS])
def test_everyone_was_measured_over_the_same_seeds(name):
    found = p09.rows(name)
    assert [row["seed"] for row in found] == SEEDS
    for row in found:
        assert len(row["loss_at_times"]) == len(p09.stored()["times"])
        assert len(row["loss"]) == len(p09.rows("healthy")[0]["loss"])


@pytest.mark.parametrize("name", ILL)
def test_a_case_lies_outside_the_healthy_stripe_in_every_seed(name):
    lowest, farthest = p09.band("healthy", "accuracy")[0], p09.band("healthy", "fd_judge")[1]
    assert all(row["accuracy"] < lowest or row["fd_judge"] > farthest for row in p09.rows(name))


def test_the_curves_tell_whether_the_network_is_ill():
    for name in [*ILL, *p09.CARRIERS]:
        own, healthy = (torch.tensor([row["loss_at_times"] for row in p09.rows(whose)]) for whose in (name, "healthy"))
        assert torch.allclose(own, healthy, rtol=1e-3) == (not FAULTS[name].trains), name


def test_networks_are_small_and_there_for_whoever_needs_one():
    path = shipped(p09.NETWORKS)
    assert path.stat().st_size < 2e6
    owners = {name.split(".")[0] for name in read_tensors(path)[0]}
    assert owners == {"healthy", *(name for name, fault in FAULTS.items() if fault.trains)}
    assert read_tensors(path)[1]["steps"] == p09.stored()["steps"] == patients.STEPS


def test_controls_were_measured_over_the_same_seeds():
    for name in p09_controls.CONTROLS:
        assert [row["seed"] for row in p09_controls.rows(name)] == SEEDS, name


def _pairs(name):
    """(accuracy, distance) of a control or patient less that of the healthy one of the same seed."""
    found = p09_controls.rows(name) or p09.rows(name)
    return [
        (row["accuracy"] - healthy["accuracy"], row["fd_judge"] - healthy["fd_judge"])
        for row, healthy in zip(found, p09.rows("healthy"), strict=True)
    ]


def test_the_page_says_what_the_controls_gave():
    assert all(row["accuracy"] < 0.15 for row in p09_controls.rows("v read as eps, no clamp"))
    assert all(row["accuracy"] > 0.9 for row in p09_controls.rows("healthy, DDIM"))
    whole, without_mean, mean_alone = (
        [
            row["fd_judge"] / sound["fd_judge"]
            for row, sound in zip(found, p09_controls.rows("healthy, DDIM"), strict=True)
        ]
        for found in (
            p09_controls.rows(f"{noise} at the start, DDIM") for noise in ("rand", "rand - 0.5", "randn + 0.5")
        )
    )
    assert 6.5 < min(whole) < max(whole) < 20.5
    assert all(row["accuracy"] == 1 for row in p09_controls.rows("rand - 0.5 at the start, DDIM"))
    assert max(without_mean) < 1.1 < 20 < min(mean_alone)
    assert all(row["accuracy"] == 0.1 for row in p09_controls.rows("randn + 0.5"))
    assert all(accuracy > 0 for accuracy, _ in _pairs("rand - 0.5"))
    assert all(abs(accuracy) < 0.0051 and abs(far) < 0.02 for accuracy, far in _pairs("last noise of 1000 steps"))
    for name in p09.CARRIERS:
        assert all(accuracy > -0.0201 and far < 0.07 for accuracy, far in _pairs(name)), name


def test_a_control_changes_its_lines_and_leaves_the_package_as_it_was():
    network, one = p09.network("healthy"), torch.tensor([3])
    healthy, _, changed, last = (
        p09_controls.CONTROLS[name].draw(network, one, 0).int()
        for name in ("healthy, DDIM", "randn + 0.5", "rand at the start, DDIM", "last noise of 1000 steps")
    )
    assert not torch.equal(healthy, changed)
    assert 0 < (last - patients.draw(network, one, 0)).abs().max() <= 4
    assert torch.equal(p09_controls.CONTROLS["healthy, DDIM"].draw(network, one, 0).int(), healthy)


def test_the_noise_of_the_full_chain_is_that_of_its_control():
    full = patients.for_training()
    assert float((full.p_log_variance(1, 0) / 2).exp()) == pytest.approx(0.0047, abs=5e-5)
    line = p09_controls.CONTROLS["last noise of 1000 steps"].lines[0]
    assert "0.0047" in line.wrong


def test_the_measurement_of_the_start_sees_its_mean_and_its_deviation():
    fault = FAULTS["rand at the start"]
    for name in ("rand - 0.5 at the start, DDIM", "randn + 0.5 at the start, DDIM"):
        (line,) = p09_controls.CONTROLS[name].lines
        with line.planted():
            assert not fault.healthy(fault.measure(0)), name


# --- drawing, training and judging ------------------------------------------------------------------------


def test_the_digits_of_the_page_are_drawn_by_the_stored_networks():
    digits, labels = p09.ten("healthy"), torch.arange(10)
    assert patients.judged(digits, labels, measure.load_reference())["accuracy"] >= 0.9
    veiled = p09.ten("shown on the wrong scale")
    assert veiled.min() >= 127
    assert digits.min() == 0
    assert torch.equal(p09.ten("healthy"), digits), "the fault is still in the package"


def test_all_begin_from_the_same_noise_whoever_is_drawn_first():
    p09.network.cache_clear()  # as in a fresh process: a network that is made uses up random numbers
    healthy = p09.ten("healthy")
    assert torch.equal(p09.ten("healthy"), healthy)
    p09.network.cache_clear()
    veiled = p09.ten("shown on the wrong scale").double()
    assert (veiled - (healthy.double() + 255) / 2).abs().max() <= 1  # the healthy one's digits, on grey


def test_told_has_the_patient_beside_the_healthy_one():
    lines = p09.told(ILL[0]).splitlines()
    assert [line.split()[0] for line in lines] == ["broken", "accuracy", "FD-judge"]
    accuracy = [f"{row['accuracy']:.3g}" for row in [*p09.rows(ILL[0]), *p09.rows("healthy")]]
    assert lines[1].split()[1:] == accuracy
    assert len(p09.summary().splitlines()) == 5
    assert p09.read_right("away from the label") == "1, 0, 0"
    both = p09_controls.told("healthy", "rand - 0.5").splitlines()
    assert [line.split()[0] for line in both] == ["accuracy", "healthy", "rand"]


def test_a_second_average_is_that_of_a_network_trained_with_the_fault(tmp_path, monkeypatch):
    """The script trains both at once: no average steers the training."""
    folder = Path(__file__).parent / "bench"
    monkeypatch.syspath_prepend(folder)
    spec = importlib.util.spec_from_file_location("bench_clinic", folder / "clinic.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    both, losses, _ = script.networks(script.MEMORY, 0, 3, tmp_path)
    with FAULTS[script.MEMORY].planted():
        state, alone = patients.trained(script.DIGITS, 3, 0)
    assert losses == pytest.approx(alone)
    for one, other in ((both["ema"], state.ema), (both["model"], state.model)):
        for weight, expected in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.allclose(weight, expected, atol=1e-6)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_the_loss_is_measured_at_each_time():
    some = load("mnist-5k", "test")
    few = ImageSet(some.images[:5], some.labels[:5])
    found = patients.loss_at_times(p09.network("healthy"), few, 0)
    assert len(found) == len(patients.TIMES)
    assert found[patients.TIMES.index(200)] < 0.3 < found[0]
