"""Exercises: solutions are accepted, usual mistakes refused with their own diagnosis, and no page tells an answer."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import notebooks
from mini_ddpm.course import exercises, p08
from mini_ddpm.course.exercises import exercise
from mini_ddpm.sampling import ddim_step

MODULES = sorted(path.stem for path in Path(exercises.__file__).parent.glob("n[0-9]*.py"))
ALL = [
    exercise(f"{module[1:]}.{k + 1}")
    for module in MODULES
    for k in range(len(import_module(f"{exercises.__name__}.{module}").EXERCISES))
]
numbered = pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)


@numbered
def test_the_solution_is_accepted(one):
    reply = one.check(one.answer)
    assert reply, reply


@numbered
def test_every_usual_mistake_is_refused_with_its_own_diagnosis(one):
    assert one.mistakes
    for mistake, diagnosis in one.mistakes:
        reply = one.check(mistake)
        assert not reply
        assert reply.words == diagnosis


@numbered
def test_hints_are_a_ladder_and_come_one_at_a_time(one):
    assert 2 <= len(one.hints) <= 3
    shown = [one.hint() for _ in range(len(one.hints) + 1)]
    assert len(set(shown)) == len(one.hints)
    assert all(hint in text for hint, text in zip(one.hints, shown, strict=False))
    assert one.why in one.solution()._repr_markdown_()


@numbered
def test_what_is_no_answer_gets_words_and_no_traceback(one):
    for nonsense in (None, "x", [], float("nan")):
        reply = one.check(nonsense)
        assert not reply
        assert reply.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda alpha_bar: None, r"For \(.*\) it returns nothing: a `return` is missing"),
        (lambda alpha_bar: "three", r"For \(.*\) it returns a str that is no number, not 3\."),
        (lambda alpha_bar: 4 / 0, r"For \(.*\) it raises ZeroDivisionError: "),
        (3, "Give the function itself: "),
    ],
)
def test_what_is_wrong_with_a_function_is_named(answer, words):
    assert re.match(words, exercise("00.6").check(answer).words)


def test_several_numbers_are_one_answer():
    one = exercise("02.1")
    assert one.check(*one.answer)
    assert one.check(one.answer)


def test_a_wrong_line_is_told_in_few_words():
    one = exercise("01.3")
    assert re.fullmatch(
        r"In one case the right answer is \S+, and yours \S+\. Look at: a constant factor: .*",
        one.check(3 * one.answer).words,
    )


@pytest.mark.parametrize("number", ["04.0", "04.99", "99.1", "4", "", "04.x"])
def test_a_number_that_does_not_exist_is_named(number):
    with pytest.raises(ValueError, match=rf"there is no exercise {re.escape(number)}: "):
        exercise(number)


@pytest.mark.parametrize("module", MODULES)
def test_each_page_has_several_kinds_and_tells_no_answer(module):
    mine = [one for one in ALL if one.number.startswith(module[1:] + ".")]
    assert 4 <= len(mine) <= (13 if module == "n09" else 6)  # the clinic has a diagnosis for every case
    assert len({one.kind for one in mine}) >= 3
    page = notebooks.read(next(path for path in notebooks.ALL if path.stem.startswith(module[1:])))
    code = "\n".join(cell.source for cell in page.cells if cell.cell_type == "code")
    stored = "\n".join(str(cell.get("outputs", "")) for cell in page.cells)
    for one in mine:
        assert f'exercise("{one.number}")' in code
        assert one.why not in stored
        assert all(hint not in stored for hint in one.hints)
    assert not re.search(r"^[^#\n]*\.(solution|hint)\(", code, re.M)


def test_choices_are_told_in_order_and_letters_may_be_small():
    assert exercise("08.1").check("x").words == "Choose one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10."
    diagnosis = exercise("09.1")
    assert diagnosis.check("c")
    assert diagnosis.check(" C ")
    assert diagnosis.check("a").words == diagnosis.check("A").words != diagnosis.check("z").words


def test_true_and_false_are_numbers():
    assert exercise("09.7").check(lambda step, x: (step(x) != step(x)).any())
    assert not exercise("09.7").check(lambda step, x: (step(x) == step(x)).all())


def test_a_step_with_the_right_x_s_is_asked_for_its_time_and_its_guess_too():
    one = exercise("08.5")
    for wrong, words in (
        (lambda *given: p08.heun_step(*given).x_t, r"x_s is right\. Return it in a `Step\(s, x_s, x_0\)`"),
        (
            lambda *given: p08.heun_step(*given)._replace(t=given[3]),
            r"x_s is right\. .* gone to, 700; yours with 900\.",
        ),
        (lambda *given: p08.heun_step(*given)._replace(x_0=ddim_step(*given).x_0), r"x_s is right, and the `x_0`"),
    ):
        reply = one.check(wrong)
        assert not reply
        assert re.search(words, reply.words)
