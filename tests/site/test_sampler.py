"""The sampler of the page "Draw digits" against the package: the same walks from the same noise."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
import torch

from mini_ddpm.course.toys import TWO_PEAKS
from mini_ddpm.diffusion import Diffusion, fixed_large, fixed_small, predict_v
from mini_ddpm.sampling import DPMSolver, ancestral_step, ddim_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas

LIVE = Path(__file__).parents[2] / "site" / "live"
SCRIPT = """
import { readFileSync } from "node:fs";
const js = await import(process.argv[1]);
const asked = JSON.parse(readFileSync(0, "utf8"));
const alphaBar = js[asked.schedule](asked.T), chain = js.timesteps(asked.T, asked.steps);
const step = { dpm: js.dpmSolver, ddim: () => js.ddim(asked.eta), small: () => js.ancestral(),
  large: () => js.ancestral(js.stepBeta) }[asked.sampler]();
const predict = (x_t, t) => x_t.map((value, k) => Math.sin(3 * value + k) - t / asked.T);
const noise = () => asked.noise.shift(), seen = [];
for await (const { s, x_t, x_0 } of js.sample({ step, predict, alphaBar, chain, x_t: asked.x_T, noise }))
  seen.push([s, x_t, x_0]);
console.log(JSON.stringify({ seen, alphaBar }));
"""


def in_node(module, script, asked):
    node = shutil.which("node")
    assert node, "node is needed: it comes with npm"
    command = [node, "--input-type=module", "-e", script, str(module)]
    found = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def wavy(x_t, t):
    place = torch.arange(x_t.numel(), dtype=x_t.dtype).reshape(x_t.shape)
    return torch.sin(3 * x_t + place) - t.reshape(-1, 1, 1, 1) / 1000


@pytest.mark.parametrize("schedule", ["cosineAlphaBar", "linearAlphaBar"])
@pytest.mark.parametrize("steps", [1, 2, 16, 30])
@pytest.mark.parametrize(
    ("sampler", "eta"), [("dpm", 0), ("ddim", 0), ("ddim", 0.4), ("ddim", 1), ("small", 0), ("large", 0)]
)
def test_a_walk_is_that_of_the_package(monkeypatch, schedule, steps, sampler, eta):
    betas = {"cosineAlphaBar": cosine_betas, "linearAlphaBar": linear_betas}[schedule](1000)
    variance = fixed_large if sampler == "large" else fixed_small
    process = Diffusion(NoiseSchedule.from_betas(betas), predict_v, variance, steps=steps)
    torch.manual_seed(steps)
    x_T, noise = torch.randn(1, 1, 2, 3, dtype=torch.float64), torch.randn(steps, 1, 1, 2, 3, dtype=torch.float64)
    left = list(noise)
    monkeypatch.setattr(torch, "randn_like", lambda x, generator=None: left.pop(0))
    step = {"dpm": DPMSolver(), "ddim": partial(ddim_step, eta=eta)}.get(sampler, ancestral_step)
    expected = list(sample(step, process, wavy, x_T))
    asked = {"schedule": schedule, "T": 1000, "steps": steps, "sampler": sampler, "eta": eta}
    asked |= {"x_T": x_T.flatten().tolist(), "noise": noise.flatten(1).tolist()}
    found = in_node(LIVE / "sampler.js", SCRIPT, asked)
    assert found["alphaBar"] == pytest.approx(process.schedule.alpha_bar.tolist(), rel=1e-9, abs=1e-12)
    assert [s for s, *_ in found["seen"]] == [state.t for state in expected]
    for (_, x_t, x_0), state in zip(found["seen"], expected, strict=True):
        torch.testing.assert_close(torch.tensor(x_t).double(), state.x_t.flatten(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.tensor(x_0).double(), state.x_0.flatten(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("T", "n"), [(1000, 16), (1000, 7), (50, 4), (10, 10)])
def test_times_are_rounded_as_in_python(T, n):
    script = "const js = await import(process.argv[1]); console.log(JSON.stringify(js.timesteps(T, n)))"
    script = script.replace("T, n", f"{T}, {n}")
    schedule = NoiseSchedule.from_betas(cosine_betas(T))
    assert in_node(LIVE / "sampler.js", script, None) == Diffusion(schedule, steps=n).timesteps


def test_the_best_guess_of_the_two_peaks_is_the_course_s():
    script = """
    globalThis.document = { getElementById: () => null };
    const { denoised, density } = await import(process.argv[1]);
    const x = [-3, -1, -0.2, 0.4, 2.5];
    const guesses = [0.001, 0.3, 0.99].map((a) => x.map((x_t) => denoised(x_t, a)));
    console.log(JSON.stringify({ guesses, densities: x.map(density) }));
    """
    found = in_node(LIVE / "peaks.js", script, None)
    x = torch.tensor([-3, -1, -0.2, 0.4, 2.5], dtype=torch.float64)
    for bar, guesses in zip((0.001, 0.3, 0.99), found["guesses"], strict=True):
        expected = TWO_PEAKS.mean_x_0(x.reshape(-1, 1, 1, 1), torch.tensor(bar, dtype=torch.float64)).flatten()
        assert guesses == pytest.approx(expected.tolist(), abs=1e-9)
    assert found["densities"] == pytest.approx(TWO_PEAKS.density(x[:, None]).tolist(), abs=1e-9)
