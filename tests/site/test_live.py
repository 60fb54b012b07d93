"""The live pages in a browser without a network: what they say is what the package says."""

import math
import re

import pytest
import torch
from playwright.sync_api import expect

from mini_ddpm import measure, runs
from mini_ddpm.course.exercises import exercise

SOON, STARTS = 60_000, 180_000  # milliseconds: an answer, and Python's first
TORCH = """async ([x, t, y]) => {
  const { load } = await import("./live/network.js");
  const { predict } = await load();
  return [...await predict(y, 1)(Float32Array.from(x), t)];
}"""
HUNDRED = """async () => {
  const { load, PIXELS } = await import("./live/network.js");
  const js = await import("./live/sampler.js");
  const { config, predict } = await load();
  const y = Array.from({ length: 100 }, (_, k) => k % 10), random = js.normals(1);
  let last;
  const walk = js.sample({ step: js.dpmSolver(), predict: predict(y, 1.5), alphaBar: js.cosineAlphaBar(config.T),
    chain: js.timesteps(config.T, 15), x_t: random(100 * PIXELS) });
  for await (const { x_t } of walk) last = x_t;
  return [...last];
}"""


def answered(page, number, text):
    """What the page says to an answer."""
    page.select_option("#exercise-form select", number)
    page.fill("#exercise-form textarea", text)
    page.click("#exercise-form button[type=submit]")
    expect(page.locator("#exercise-form button[type=submit]")).to_be_enabled(timeout=STARTS)
    expect(page.locator("#exercise-reply")).to_have_text(re.compile("..."), timeout=SOON)
    return page.inner_text("#exercise-reply")


def test_answers_are_judged_as_the_package_judges_them(site, page):
    page.goto(f"{site}/check.html")
    right, wrong = "(x[t] - sqrt(1-alpha_bar[t])*epsilon)/sqrt(alpha_bar[t])", "alpha_bar[t]*alpha[t]"
    assert answered(page, "01.3", right) == "Right. The checker has proved it."
    told = exercise("00.2")
    slip = next(words for mistake, words in told.mistakes if "each has its own index" in words)
    assert answered(page, "00.2", f"q.check({wrong})") == f"Not yet. {slip}"
    assert "can't be read as mathematics" in answered(page, "00.2", "alpha_bar[t] **")
    assert "what is that?" in answered(page, "00.2", "foo * bar")
    assert answered(page, "01.1", "6, 0.5128").startswith("Right.")
    assert answered(page, "01.1", "(5, 0.5128)").startswith("Not yet. The second is right.")
    number = next(k for k in range(1, 9) if exercise(f"01.{k}").kind == "debug")
    assert answered(page, f"01.{number}", str(exercise(f"01.{number}").answer)).startswith("Right.")
    page.click("#exercise-hint")
    expect(page.locator("#exercise-reply")).to_contain_text("Hint 1:", timeout=SOON)
    assert page.complaints == []


def test_every_offered_exercise_takes_its_own_answer_and_refuses_its_mistakes(site, page):
    """Numbers and choices; derivations are typed by hand above, functions below."""
    page.goto(f"{site}/check.html")
    for number in page.eval_on_selector_all("#exercise-form option", "all => all.map((one) => one.value)"):
        asked = exercise(number)
        if asked.kind in ("derive", "compute"):
            continue
        typed = [str(answer).strip("()") for answer in (asked.answer, asked.mistakes[0][0])]
        assert answered(page, number, typed[0]).startswith("Right."), number
        assert answered(page, number, typed[1]).startswith("Not yet."), number
    assert page.complaints == []


FUNCTIONS = {  # a right one, and one with a listed mistake
    "00": (
        "def half_gone(bars):\n    for t, bar in enumerate(bars):\n        if bar < 0.5:\n            return t",
        "half_gone = lambda bars: 1 + [bar < 0.5 for bar in bars].index(True)",
    ),
    "02": (
        "def f(r):\n    m = max(r)\n    return m + log(sum(exp(a - m) for a in r) / len(r)), sum(r) / len(r)",
        "def f(r):\n    return log(sum(exp(a) for a in r) / len(r)), sum(r) / len(r)",
    ),
    "03": (
        "def d(*given):\n    return sum(log(t/s) + (s**2 + (m-n)**2) / (2*t**2) - 1/2 for m, s, n, t in zip(*given))",
        "def d(*given):\n    return sum(log(t/s) + (s**2 + (m-n)**2) / (2*t**2) for m, s, n, t in zip(*given))",
    ),
}


def test_functions_are_tried_in_the_browser(site, page):
    page.goto(f"{site}/check.html")
    for notebook, (right, wrong) in FUNCTIONS.items():
        number = next(n for k in range(1, 9) if exercise(n := f"{notebook}.{k}").kind == "compute")
        assert answered(page, number, right).startswith("Right."), number
        names: dict = {"log": math.log, "exp": math.exp}
        exec(wrong, names)
        said = exercise(number).check(list(names.values())[-1]).words
        assert answered(page, number, wrong) == f"Not yet. {said}"
    assert answered(page, number, "def f(:").startswith("Not yet. SyntaxError")
    assert "raises NameError" in answered(page, number, "def f(*a):\n    return foo")
    assert "Define the function" in answered(page, number, "x = 1")
    assert page.complaints == []


def test_lines_of_ones_own_get_marks_and_hints(site, page):
    page.goto(f"{site}/check.html")
    for text, said in (
        ("alpha_bar[t]\n= alpha[t]*alpha_bar[t-1]  # the last factor [growth]", "line 2: proved"),
        ("alpha_bar[t]\n= alpha[t]*alpha_bar[t]  # a slip", "line 2: refused"),
        ("a**2 - b**2\n= (a - b)*(a + b)", "line 2: proved"),
        ("no mathematics at all", "can't be read as mathematics"),
    ):
        page.fill("#lines-form textarea", text)
        page.click("#lines-form button[type=submit]")
        expect(page.locator("#lines-form button[type=submit]")).to_be_enabled(timeout=STARTS)
        expect(page.locator("#lines-reply")).to_contain_text(said, timeout=SOON)
    assert page.complaints == []


def test_the_network_of_the_browser_is_the_shipped_one(site, page):
    page.goto(f"{site}/draw.html")
    torch.manual_seed(0)
    x, y = torch.randn(3, 1, 28, 28), [0, 7, 10]
    found = torch.tensor(page.evaluate(TORCH, [x.flatten().tolist(), 437, y])).reshape(x.shape)
    trained = runs.open_run("mnist", "cpu")
    expected = trained.model(x, torch.full((3,), 437), y=torch.tensor(y))
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-5)


def test_digits_of_the_browser_can_be_read(site, page):
    page.goto(f"{site}/draw.html")
    digits = torch.tensor(page.evaluate(HUNDRED)).reshape(100, 1, 28, 28)
    _, said = measure.judge_features(measure.load_reference().judge, digits)
    assert int((said == torch.arange(100) % 10).sum()) >= 95


@pytest.mark.parametrize("sampler", ["dpm", "ddim", "ancestral"])
def test_digits_are_drawn_step_by_step_and_looked_back_at(site, page, sampler):
    page.goto(f"{site}/draw.html")
    page.select_option("#draw-form select[name=sampler]", sampler)
    page.fill("#draw-form input[name=steps]", "4")
    page.click("#draw-next")
    status = page.locator("#draw-status")
    expect(status).to_have_text("Step 1 of 4: from t = 1000 to 750.", timeout=SOON)
    picture = "document.getElementById('draw-x_t').toDataURL()"
    first = page.evaluate(picture)
    page.click("#draw-form button[type=submit]")
    expect(status).to_have_text(re.compile("Done: 4 steps"), timeout=SOON)
    last = page.evaluate(picture)
    page.focus("#draw-back")
    page.keyboard.press("Home")
    expect(status).to_have_text("Step 1 of 4: from t = 1000 to 750.")
    assert page.evaluate(picture) == first != last
    assert page.complaints == []


def test_a_digit_of_ones_own_is_drawn_with_keys_alone_and_walked_back(site, page):
    page.goto(f"{site}/draw.html")
    page.click("#own-form button[type=submit]")
    expect(page.locator("#own-status")).to_have_text("Draw a digit first.")
    page.focus("#own-pad")
    page.keyboard.press("Space")
    for key in ["ArrowDown"] * 8 + ["ArrowUp"] * 16:
        page.keyboard.press(key)
    page.fill("#own-form input[name=t]", "300")
    page.focus("#own-form button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.locator("#own-status")).to_have_text("From t = 300 to 0 in 15 steps.", timeout=SOON)
    assert page.complaints == []


def test_two_peaks_answer_every_knob(site, page):
    page.goto(f"{site}/peaks.html")
    seen, status = set(), page.locator("#peaks-status")
    for name, value in (("noise", "large"), ("noise", "none"), ("schedule", "linear"), ("T", "50")):
        page.select_option(f"#peaks-form select[name={name}]", value)
        seen.add(page.evaluate("document.getElementById('peaks-picture').toDataURL()"))
        expect(status).to_contain_text("After 10 steps:")
    page.fill("#peaks-form input[name=steps]", "1")
    expect(status).to_contain_text("After 1 step:")
    assert len(seen) == 4
    assert page.complaints == []
