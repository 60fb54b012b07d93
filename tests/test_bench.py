"""The script that makes the recorded CIFAR-10 run, with a tiny run in its place."""

import json
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image

from mini_ddpm import runs
from mini_ddpm.files import read_tensors

RECORD = Path(__file__).parent / "bench" / "record.py"


def test_a_run_is_recorded_and_not_changed_by_it(tmp_path):
    """Rows of samples are drawn on the way; the weights are those of a run without them."""
    command = [sys.executable, RECORD, "tiny", "--steps", "20", "--device", "cpu"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    record = json.loads((tmp_path / "runs" / "bench" / "cifar10.json").read_text())
    assert record["command"] == "python tests/bench/record.py tiny --steps 20 --device cpu"
    assert record["rows_of_samples"] == [1, 1, 2, 6, 20]
    assert record["metrics"][-1]["step"] == 20
    assert Image.open(tmp_path / "runs" / "bench" / "cifar10-samples.png").height == 5 * (28 + 4)

    command = [sys.executable, "-m", "mini_ddpm", "train", "--preset", "tiny", "--steps", "20", "--out", "runs/plain"]
    command += ["--device", "cpu"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    kept, _ = read_tensors(tmp_path / "runs" / "bench" / "cifar10.safetensors")
    plain, _ = read_tensors(tmp_path / "runs" / "plain" / runs.CHECKPOINT)
    assert all(torch.equal(kept[name], plain[name].half()) for name in kept)
