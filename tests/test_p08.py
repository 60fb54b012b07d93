"""Notebook 08: its lines against the package, its solvers against exact paths, and verdicts that can be wrong."""

import inspect
import re
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import pytest
import torch
from sympy import sqrt

import notebooks
from mini_ddpm.course import bands, p08, p08_starts
from mini_ddpm.course.exercises import exercise
from mini_ddpm.course.stored import stored
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import Diffusion, predict_x_0
from mini_ddpm.guidance import classifier_free
from mini_ddpm.measure import judge_features, load_reference
from mini_ddpm.runs import open_run
from mini_ddpm.sampling import DPMSolver, ddim_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas
from mini_ddpm.symbolic.notation import alpha_bar, s, t, x

SHORT = NoiseSchedule.from_betas(cosine_betas(40))
LONG = NoiseSchedule.from_betas(cosine_betas(1000))
OLD = (x[t] - sqrt(alpha_bar[t]) * x[0]) / sqrt(1 - alpha_bar[t])


def test_a_wrong_line_is_not_the_packages():
    mean = sqrt(alpha_bar[s]) * x[0] + sqrt(1 - alpha_bar[s] - p08.sigma**2) * OLD
    assert p08.ddim_differs(SHORT, mean) < 1e-11
    assert p08.ddim_differs(SHORT, sqrt(alpha_bar[s]) * x[0] + sqrt(1 - alpha_bar[s]) * OLD) > 1e-3


def test_the_lines_on_the_page_are_the_packages():
    page = notebooks.read(notebooks.FOLDER / "08_sampling.ipynb")
    shown = next(c.source for c in page.cells if c.cell_type == "markdown" and "```python" in c.source)
    code = re.search(r"```python\n(.*?)```", shown, re.S)[1]
    lines = [line.strip() for line in inspect.getsource(ddim_step).splitlines()]
    assert all(line.strip() in lines for line in code.splitlines())


def test_heun_and_ddim_agree_where_the_guess_never_changes():
    process = Diffusion(LONG, predict_x_0)
    image, x_t = torch.full((2, 1, 4, 4), 0.4), torch.randn(2, 1, 4, 4)
    for now, then in ((900, 500), (30, 0)):
        one, other = (step(process, lambda x, t: image, x_t, now, then) for step in (p08.heun_step, ddim_step))
        torch.testing.assert_close(one.x_t, other.x_t)


@pytest.mark.parametrize(("new", "times", "factor"), [(lambda: ddim_step, p08.even, 1.7), (DPMSolver, p08.even, 3.5)])
def test_twice_the_calls_halve_or_quarter_the_error(new, times, factor):
    end = p08.on_peaks(ddim_step, LONG, p08.even(1000, 1000), 200)[-1].x_t
    first, second = (
        float((p08.on_peaks(new(), LONG, times(calls, 1000), 200)[-1].x_t - end).abs().mean()) for calls in (10, 20)
    )
    assert first / second > factor


def test_with_a_short_last_stride_heun_quarters_its_error_too():
    end = p08.on_peaks(ddim_step, LONG, p08.even(1000, 1000), 200)[-1].x_t
    gaps = [
        float((p08.on_peaks(p08.heun_step, LONG, p08.dense(steps, 1000), 200)[-1].x_t - end).abs().mean())
        for steps in (5, 10)
    ]
    assert gaps[0] / gaps[1] > 3


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_both_kinds_of_walk_end_in_the_datas_density(eta):
    last = p08.on_peaks(partial(ddim_step, eta=eta), LONG, p08.even(200, 1000), 2000)[-1].x_t
    assert float((last < -0.3).double().mean()) == pytest.approx(0.35, abs=0.04)
    assert float(last.var()) == pytest.approx(1, abs=0.08)


def test_starts_without_luck_end_with_the_datas_shares():
    last = p08.on_peaks(ddim_step, LONG, p08.even(200, 1000), 1000, seed=None)[-1].x_t
    assert float((last < -0.3).double().mean()) == pytest.approx(0.35, abs=0.002)
    assert float(last.var()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("times", [p08.even, p08.dense])
@pytest.mark.parametrize("n", [1, 7, 50, 1000])
def test_lists_of_times_are_chains(times, n):
    assert len(Diffusion(LONG, timesteps=times(n, 1000)).timesteps) == n + 1


def test_a_last_stride_is_split_and_the_number_of_steps_kept():
    assert p08.split(6, 1000) == [1000, 800, 600, 400, 200, 20, 0]


def test_the_shipped_network_draws_what_it_is_asked_for():
    """As its card says, 0.989 of 2,000 digits; here 80, and four standard deviations for luck."""
    shipped, y = open_run("mnist", torch.device("cpu")), torch.arange(80) % 10
    torch.manual_seed(0)
    guided = classifier_free(shipped.model, y, shipped.config.sampling.guidance)
    *_, last = sample(DPMSolver(), replace(shipped.diffusion, steps=15), guided, torch.randn(80, 1, 28, 28))
    _, read = judge_features(load_reference().judge, last.x_t)
    assert float((read == y).double().mean()) > 0.989 - 4 * (0.989 * 0.011 / 80) ** 0.5


def test_real_sets_share_no_digit_and_have_all_classes():
    held_out = load("mnist-5k", "test")
    sets = p08.real_sets(held_out, 200)
    assert [len(images) for images, _ in sets] == [200] * 5
    assert all(labels.bincount().tolist() == [20] * 10 for _, labels in sets)
    assert len({image.numpy().tobytes() for one, _ in sets for image in one}) > 990  # two equal digits may be there


# --- bands ------------------------------------------------------------------------------------------------


def rows(sampler, calls, *values):
    return [{"sampler": sampler, "calls": calls, "seed": k, "fd_judge": value} for k, value in enumerate(values)]


FOUND = bands.of(
    rows("ddim", 10, 0.1, 0.2, 0.3)
    + rows("heun", 10, 0.15, 0.25, 0.32)
    + rows("ancestral", 10, 0.4, 0.5, 0.6)
    + rows("dpm-solver", 10, 0.3, 0.2, 0.1)
    + rows("ddim", 20, 0.1)
    + rows("real digits", 0, 0.05)
)


def test_rows_become_bands_in_the_order_of_their_seeds():
    assert bands.of(reversed(rows("ddim", 10, 1, 2, 3)))["ddim"][10] == [1, 2, 3]
    assert "real digits" not in FOUND


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("ancestral", "lower, the bands part"),
        ("heun", "lower for every seed, by 0.020 to 0.050; the bands overlap"),
        ("dpm-solver", "no difference found"),
    ],
)
def test_a_verdict_says_how_sure_it_is(other, says):
    assert bands.verdict(FOUND, 10, other, "ddim").endswith(says)
    assert bands.verdict(FOUND, 10, "ddim", other).startswith("10 calls: ddim 0.200 (0.100 to 0.300)") or "no" in says


def test_a_table_stars_what_has_fewer_than_three_seeds():
    assert "0.100 *" in bands.table(FOUND)
    assert bands.told([0.1]) == "0.100 (0.100 to 0.100; 1 seed)"


def test_the_picture_is_told_in_words():
    assert "ddim goes from 0.20 at 10 calls to 0.10 at 20" in bands.alt(
        bands.of(rows("ddim", 10, 0.2) + rows("ddim", 20, 0.1))
    )
    bands.draw(FOUND, "title", real=[0.05, 0.1])


def test_heun_is_drawn_at_the_calls_that_it_makes():
    assert [bands.made("heun", calls) for calls in (5, 8, 10, 15)] == [5, 7, 9, 15]
    assert bands.made("ddim", 8) == 8
    assert "heun goes from 0.20 at 7 calls to 0.10 at 15" in bands.alt(
        bands.of(rows("heun", 8, 0.2) + rows("heun", 15, 0.1))
    )


@pytest.mark.parametrize("name", ["few-steps", "calls"])
def test_stored_rows_have_three_seeds_of_known_samplers(name):
    found = bands.of(bands.measured(name))
    assert len(found) >= 4
    assert all(len(points[calls]) == 3 for points in found.values() for calls in (5, 10, 20, 50))


def test_looks_are_those_of_strokes_that_are_known():
    images = torch.full((2, 1, 28, 28), -1.0)
    for up in range(20):
        images[0, 0, 23 - up, 13] = 1  # a stroke that stands
        images[1, 0, 23 - up, 8 + up // 2] = 1  # one that leans to the right: a pixel for every two
    look = p08_starts.looks(images)
    assert look["ink"].tolist() == pytest.approx([20 / 784] * 2)
    assert look["slant"].tolist() == pytest.approx([0, 0.5], abs=0.01)
    assert look["width"].tolist() == pytest.approx([0, (99 / 12) ** 0.5], abs=0.01)


def test_what_goes_with_the_start_is_alike_in_all_labels():
    torch.manual_seed(0)
    start, chance = torch.randn(400, 1), torch.randn(400, 5)
    assert p08_starts.alike(start + torch.arange(5) + 0.01 * chance) > 0.99
    assert p08_starts.alike(start + chance) == pytest.approx(0.5, abs=0.06)
    assert abs(p08_starts.alike(chance)) < 0.06


def test_chance_alone_is_near_0():
    low, high = p08_starts.by_chance(starts=12, labels=10)
    assert (low, high) == pytest.approx((-0.07, 0.1), abs=0.01)  # as the page says
    low, high = p08_starts.by_chance(starts=400, labels=5, tries=50)
    assert -0.05 < low < 0 < high < 0.05


def test_real_digits_are_judged_as_real():
    digits = load("mnist-5k", "test")
    right, far, varied = p08_starts.judged(to_model(digits.images), digits.labels, load_reference())
    assert right > 0.99
    assert far < 0.1
    assert varied == pytest.approx(0.9, abs=0.15)


def test_heun_and_2m_are_level_from_15_calls_on_and_not_below():
    found = bands.of(bands.measured("calls"))
    for calls, heun in found["heun"].items():
        less = [one - other for one, other in zip(found["dpm-solver"][calls], heun, strict=True)]
        assert max(map(abs, less)) < 0.003 if calls >= 15 else max(less) < 0, calls


def test_diversity_is_that_of_real_sets_for_all_but_the_ancestral_step():
    rows = bands.measured("calls")
    real = [row["diversity"] for row in rows if row["sampler"] == "real digits"]
    mean = {name: sum(points[50]) / 3 for name, points in bands.of(rows, "diversity").items()}
    assert {name for name, value in mean.items() if min(real) < value < max(real)} == set(mean) - {"ancestral"}


# --- 08b --------------------------------------------------------------------------------------------------

LOOP = {
    "no zero_grad": ("        optimizer.zero_grad()\n", ""),
    "no clipping": ("        nn.utils.clip_grad_norm_(network.parameters(), 1.0)\n", ""),
    "beta_2": ("betas=(0.9, 0.99)", "betas=(0.9, 0.999)"),
    "beta_1": ("betas=(0.9, 0.99)", "betas=(0.5, 0.99)"),
    "no label hidden": ("        y = torch.where(torch.rand(B) < 0.1, network.classes, y)  # for guidance\n", ""),
}


@pytest.mark.parametrize(("true", "false"), LOOP.values(), ids=LOOP)
def test_a_training_loop_that_is_wrong_differs_from_the_packages(true, false):
    sources = [cell.source for cell in notebooks.code_cells(notebooks.FOLDER / "08b_on_one_page.ipynb")]
    place = next(k for k, source in enumerate(sources) if true in source)
    sources[place] = sources[place].replace(true, false)
    last = next(k for k, source in enumerate(sources) if source.startswith("def apart("))
    names = {}
    for source in sources[1:last]:
        exec(source, names)
    with pytest.raises(AssertionError):
        exec(sources[last], names)


def own_page():
    """The cells of 08b that are to be copied, and the lines to put below them, in a short run: (imports, all else)."""
    page = notebooks.read(notebooks.FOLDER / "08b_on_one_page.ipynb")
    first, *cells = [cell.source for cell in page.cells if "page" in notebooks.tags(cell)]
    words = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    lines = re.search(r"```python\n(digits = .*?)```", words, re.S)[1]
    for true, short in (("steps=3500", "steps=3"), ("steps=30)", "steps=2)")):
        assert lines.count(true) == 1
        lines = lines.replace(true, short)
    return first, "\n".join([*cells, lines])


def test_the_page_of_08b_runs_with_nothing_but_what_it_says_to_copy():
    first, rest = own_page()
    names = {}
    exec(f"{first}\n{rest}", names)
    assert names["x_0"].shape == (10, 1, 28, 28)
    assert names["x_0"].isfinite().all()


def test_the_page_of_08b_runs_on_another_device_as_it_says(monkeypatch):
    """On "meta", which has shapes and no numbers, and refuses to mix with the CPU."""
    monkeypatch.setattr(torch.Tensor, "item", lambda self: 1.0)
    first, rest = own_page()
    there = "(digits.images / 127.5 - 1).to('meta'), digits.labels.to('meta')"
    assert rest.count("digits.images / 127.5 - 1, digits.labels") == 1
    rest = rest.replace("digits.images / 127.5 - 1, digits.labels", there)
    names = {}
    try:
        exec(f'{first}\ntorch.set_default_device("meta")\n{rest}', names)
    finally:
        torch.set_default_device(None)
    assert names["x_0"].device.type == "meta"


def test_what_a_forgotten_line_did_is_what_the_solution_says():
    rows = stored("forgotten-line")["rows"]
    told = exercise("08b.2").why
    for hidden in (False, True):
        found = {
            scale: [row["accuracy"] for row in rows if (row["labels_hidden"], row["scale"]) == (hidden, scale)]
            for scale in (1, 4)
        }
        assert f"{min(found[1]):.2f} to {max(found[1]):.2f}" in told
        assert "{:.2f}, {:.2f} and {:.2f}".format(*found[4]) in told


def test_what_lies_above_the_picture_is_written_at_its_edge(monkeypatch):
    shown = []
    monkeypatch.setattr(bands, "show", lambda figure, alt: shown.append((figure, alt)))
    found = bands.of([*rows("ddim", 5, 0.8, 0.9, 1.0), *rows("ddim", 10, 0.1, 0.2, 0.3)])
    bands.draw(found, "a title", real=(0.03, 0.04), line=0.05, banded=(), top=0.5)
    ((figure, alt),) = shown
    assert [note.get_text() for note in figure.axes[0].texts] == ["0.9"]
    assert "goes from 0.90 at 5 calls to 0.20 at 10" in alt
    assert figure.axes[0].get_ylim()[1] == 0.5
    plt.close(figure)
