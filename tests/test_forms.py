"""The forms of a derivation: cells, induction, equal but for a constant, answers; and how each is shown."""

import re

import pytest
from sympy import Function, Integer, Integral, Rational, Sum, Symbol, factorial, log, oo, sqrt, symbols

from mini_ddpm.symbolic import (
    ChainTheory,
    Derivation,
    Expectation,
    Fact,
    Induction,
    Path,
    T,
    Theory,
    Unchecked,
    WrongStep,
    alpha,
    alpha_bar,
    beta,
    d,
    eps,
    forward_process,
    i,
    normal_density,
    recursion,
    s,
    t,
    x,
)
from mini_ddpm.symbolic.answers import Unfinished
from mini_ddpm.symbolic.cells import derive, known, load_ipython_extension

FORWARD = forward_process()
GROWTH = recursion(FORWARD)
f, g = symbols("f g", cls=Function, real=True)
y, z, m = symbols("y z m", real=True)
v, w = symbols("v w", positive=True)

# --- cells ---------------------------------------------------------------------------------------------

LINES = """
1 / (alpha[t]/beta[t] + 1/(1 - alpha_bar[t-1]))
= beta[t]*(1 - alpha_bar[t-1])
  / (alpha[t] - alpha[t]*alpha_bar[t-1] + beta[t])   # common denominator, 100% & more
= beta[t]*(1 - alpha_bar[t-1]) / (1 - alpha_bar[t])   # the recursion [growth]
"""
SLIP = "= beta[t]*(1 - alpha_bar[t-1]) / (1 - alpha[t])  # slip\n= 1 - alpha_bar[t-1]  # beta is 1 - alpha\n"


def cell(text, theory=FORWARD, **options):
    return derive(theory, text, known({"growth": GROWTH, "m": m, "v": v, "f": f}), **options)


def test_a_cell_is_a_derivation_shown_as_it_was_written():
    found = cell(LINES)
    assert [verdict.mark for verdict in found.verdicts()] == ["proved", "proved"]
    assert found.last == beta[t] * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])
    assert found.fact().mark == "proved"
    shown = found._repr_latex_()
    assert r"100\% \& more" in shown
    assert r"1 - \bar{\alpha}_{t-1}" in shown  # not -\bar{\alpha} + 1
    assert r"1 \frac{1}" not in shown
    assert found._repr_html_() is None


def test_a_cell_goes_on_after_a_refused_line_from_that_line():
    found = cell(LINES + SLIP)
    verdicts = found.verdicts()
    assert [verdict.mark for verdict in verdicts] == ["proved", "proved", "refused", "proved"]
    assert verdicts[2].line == "beta[t]*(1 - alpha_bar[t-1]) / (1 - alpha[t])"
    assert verdicts[2].because == "slip"
    assert "alpha_bar[t]" in verdicts[2].hint
    with pytest.raises(ValueError, match="no fact yet"):
        found.fact()


def test_a_refused_line_is_explained_and_its_case_is_folded_away():
    shown = cell(LINES + SLIP)._repr_html_()
    before, after = shown.split("given $")
    assert all(part in before for part in (r"\times", r"\blacksquare"))
    assert all(part in after for part in ("yours $", "look at:", r"\blacksquare"))  # the line after it, too
    assert re.search(r"<details><summary>[^<]+</summary>world \d+:  t = \d", after)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpha[t] +", "can't be read as"),
        ("alpha[t]\nbeta[t]", "begins with"),
        ("alpha[t]\n= # only a reason", "no line of"),
        ("", "no line of"),
        ("alpha[t]\n= unheard_of", "what is that"),
        ("alpha[t]\n= alpha[t] # why [nothing]", "no fact"),
        ("alpha[t]\n~ beta[t]", "up to what"),
        ("alpha[t]\n<= 1\n>= alpha[t]", "goes up or down"),
    ],
)
def test_what_is_no_mathematics_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        cell(text)


class Shell:
    """What the magic needs of IPython."""

    def __init__(self, **names):
        self.user_ns = names
        load_ipython_extension(self)

    def register_magic_function(self, magic, kind, name):
        assert (kind, name) == ("cell", "derive")
        self.derive = magic


def test_the_magic_names_the_derivation_and_shows_it(capsys):
    shell = Shell(forward=FORWARD, growth=GROWTH, m=m, v=v)
    shell.derive("forward -> variance", LINES)
    assert "[proved] the recursion" in capsys.readouterr().out
    shell.derive(
        "forward",
        "alpha[t]/(alpha[t]/beta[t] + 1/(1 - alpha_bar[t-1]))\n"
        "= alpha[t] * beta[t]*(1 - alpha_bar[t-1]) / (1 - alpha_bar[t])  # as above [variance]",
    )
    assert "[proved] as above" in capsys.readouterr().out
    shell.derive("forward -> square up to x[t]", "-(x[t] - m)**2/(2*v)\n~ x[t]*m/v - x[t]**2/(2*v)")
    assert shell.user_ns["square"].lines[-1].mark == "proved"
    with pytest.raises(ValueError, match="%%derive theory -> name"):
        shell.derive("forward to nowhere", LINES)


def test_a_cell_knows_symbols_by_the_names_that_the_notebook_gave_them():
    whole, path, mean = Path(0, T), Path(1, T), Symbol("mu_1", real=True)
    names = known({"whole": whole, "path": path, "m1": mean})
    made = derive(ChainTheory(), "p(x[0])\n= E_q(p(whole) / q(path, x[0]))", names)
    assert made.lines[-1].mark == "checked"
    assert derive(Theory(), "(m1 + 1)**2\n= m1**2 + 2*m1 + 1", names).lines[-1].mark == "proved"
    with pytest.raises(ValueError, match="unknown in"):
        derive(Theory(), "m1\n= unknown", names)


# --- induction -----------------------------------------------------------------------------------------


def mixing():
    """f(0) = 0, f(t) = alpha_t f(t - 1) + 1 - alpha_t."""
    theory = forward_process()
    theory.define(f(0), Integer(0))
    theory.define(f(t), alpha[t] * f(t - 1) + 1 - alpha[t])
    return theory


def test_induction_shows_claim_base_and_step():
    theory = mixing()
    claim = Induction(theory, f(t), 1 - alpha_bar[t], over=t)
    claim.step(alpha[t] * f(t - 1) + 1 - alpha[t], because="definition")
    claim.step(alpha[t] * (1 - alpha_bar[t - 1]) + 1 - alpha[t], using=[claim.hypothesis])
    with pytest.raises(ValueError, match="not yet"):
        claim.fact()
    fact = claim.step(1 - alpha_bar[t]).fact()
    assert (fact.mark, fact.lhs, fact.rhs) == ("proved", f(t), 1 - alpha_bar[t])
    assert [verdict.mark for verdict in claim.verdicts()] == ["proved"] * 4
    shown = claim._repr_latex_()
    assert shown.index("claim, for every t") < shown.index("the base") < shown.index("from t - 1 to t")
    assert Derivation(theory, 2 * f(T)).step(2 - 2 * alpha_bar[T]).lines[-1].mark in ("proved", "checked")


BY_INDUCTION = """
f(t)
= alpha[t]*f(t-1) + 1 - alpha[t]              # definition
= alpha[t]*(1 - alpha_bar[t-1]) + 1 - alpha[t]  # [hypothesis]
= 1 - alpha_bar[t]
"""


def test_induction_as_a_cell():
    found = cell(BY_INDUCTION, theory=mixing(), over=t)
    assert [verdict.mark for verdict in found.verdicts()] == ["proved"] * 4


def test_a_sum_by_induction():
    theory = Theory()
    theory.define(g(0), Integer(0))
    theory.define(g(t), g(t - 1) + t**2)
    claim = Induction(theory, g(t), t * (t + 1) * (2 * t + 1) / 6, over=t)
    assert claim.step(t * (t + 1) * (2 * t + 1) / 6, using=[claim.hypothesis]).fact().mark == "proved"


def test_a_false_claim_is_refused_at_once():
    with pytest.raises(WrongStep):
        Induction(mixing(), f(t), 1 - alpha_bar[t - 1], over=t)


def test_the_hypothesis_is_known_for_its_own_index_and_within_the_step_alone():
    theory = mixing()
    claim = Induction(theory, f(t), 1 - alpha_bar[t], over=t)
    with pytest.raises(ValueError, match="not checked in this theory"):
        Derivation(theory, f(t - 1)).step(1 - alpha_bar[t - 1], using=[claim.hypothesis])
    total = Sum(f(t - 1), (t, 2, T))
    inner = claim.theory
    assert not inner.prove(total, Sum(1 - alpha_bar[t - 1], (t, 2, T)), [claim.hypothesis])
    assert inner.prove(f(t - 1) * y, (1 - alpha_bar[t - 1]) * y, [claim.hypothesis])
    claim.hypothesis.fixed = frozenset()
    with pytest.raises(ValueError, match="not checked in this theory"):
        claim.step(1 - alpha_bar[t], using=[claim.hypothesis])


def test_an_induction_in_an_induction_is_bound_to_the_outer_hypothesis():
    theory, n = mixing(), Symbol("n", integer=True, positive=True)
    theory.define(g(0), Integer(0))
    theory.define(g(n), g(n - 1) + f(t - 1))
    outer = Induction(theory, f(t), 1 - alpha_bar[t], over=t)
    with pytest.raises(ValueError, match="index of another induction"):
        Induction(outer.theory, f(t), 1 - alpha_bar[t], over=t)
    inner = Induction(outer.theory, g(n) + 0 * y, n * (1 - alpha_bar[t - 1]), over=n, using=[outer.hypothesis])
    inner.step(g(n - 1) + f(t - 1)).step(g(n - 1) + 1 - alpha_bar[t - 1], using=[outer.hypothesis])
    assert inner.step(n * (1 - alpha_bar[t - 1]), using=[inner.hypothesis]).fact().fixed == {t}


def test_what_the_hypothesis_takes_for_granted_must_hold_one_before():
    with pytest.raises(ValueError, match="may fail for T - 1"):
        Induction(Theory(), Sum(f(s), (s, t, T)), f(T) + Sum(f(s), (s, t, T - 1)), over=T)  # t <= T, but not t <= T - 1
    theory = Theory()
    theory.assume(g(t) <= 1)
    with pytest.raises(ValueError, match="may fail for t - 1"):
        Induction(theory, g(t), g(t) + 0 * y, over=t)
    n = Symbol("n", integer=True)
    with pytest.raises(ValueError, match="no smallest value"):
        Induction(Theory(), f(n), f(n) * 1, over=n)


def test_a_checked_line_makes_a_checked_fact(monkeypatch):
    theory = mixing()
    monkeypatch.setattr(Theory, "prove", lambda *_: False)
    claim = Induction(theory, f(t), 1 - alpha_bar[t], over=t)
    assert claim.step(1 - alpha_bar[t]).fact().mark == "checked"


# --- equal but for what does not depend on x -----------------------------------------------------------

POSTERIOR = -((x[t] - sqrt(alpha[t]) * x[t - 1]) ** 2) / (2 * beta[t])
TRUE_BUT_FOR = [
    (POSTERIOR, x[t - 1], sqrt(alpha[t]) * x[t] * x[t - 1] / beta[t] - alpha[t] * x[t - 1] ** 2 / (2 * beta[t])),
    (-((y - m) ** 2) / (2 * v), y, -(y**2) / (2 * v) + m * y / v),
    (log(normal_density(y, m, v)), y, -((y - m) ** 2) / (2 * v)),
    (f(y) + f(z), y, f(y)),
    (Sum(x[i] ** 2, (i, 1, d)) * w, w, w * Sum(x[i] ** 2, (i, 1, d)) + Expectation(eps**2, eps)),
    (-(y**2) / (2 * v), y, -((y - m) ** 2) / (2 * v) - m * (y - m) / v),
]
FALSE_BUT_FOR = [
    (POSTERIOR, x[t - 1], -alpha[t] * x[t - 1] ** 2 / (2 * beta[t])),
    (-((y - m) ** 2) / (2 * v), y, -(y**2) / (2 * v) - m * y / v),
    (-((y - m) ** 2) / (2 * v), m, -(y**2) / (2 * v) + m * y / v),
    (log(normal_density(y, m, v)), v, -((y - m) ** 2) / (2 * v)),
    (f(y) * f(z), y, f(y)),
    (x[t], x[0], sqrt(alpha_bar[t]) * x[0]),
]


@pytest.mark.parametrize(("line", "variable", "other"), TRUE_BUT_FOR, ids=str)
def test_lines_may_differ_by_a_constant(line, variable, other):
    found = Derivation(FORWARD, line, up_to=variable).step(other, relation="~")
    assert found.lines[-1].mark == "proved"
    assert r"\simeq" in found._repr_latex_()
    with pytest.raises(ValueError, match="not an equation"):
        found.fact()


@pytest.mark.parametrize(("line", "variable", "other"), FALSE_BUT_FOR, ids=str)
def test_but_not_by_what_depends_on_the_variable(line, variable, other):
    with pytest.raises(WrongStep, match="depends on"):
        Derivation(FORWARD, line, up_to=variable).step(other, relation="~")


def test_a_variable_that_hides_is_not_taken_for_a_constant():
    theory = Theory()
    theory.define(x[t], sqrt(alpha_bar[t]) * x[0] + sqrt(1 - alpha_bar[t]) * eps)
    with pytest.raises(WrongStep):  # through the definition
        Derivation(theory, x[t], up_to=x[0]).step(sqrt(1 - alpha_bar[t]) * eps, relation="~")
    for hidden, variable in (
        (Sum(x[i], (i, 1, d)), x[i]),
        (Sum(x[s], (s, 1, t)), x[1]),
        (x[s] * x[t], x[1]),
    ):
        with pytest.raises(Unchecked, match=r"may be, or have|rename that"):
            Derivation(FORWARD, hidden, up_to=variable).step(y, relation="~")
    with pytest.raises(Unchecked, match="on a symbol"):
        Derivation(FORWARD, alpha_bar[t], up_to=alpha_bar[t]).step(Integer(1), relation="~")


# --- answers -------------------------------------------------------------------------------------------

MEAN = Expectation((sqrt(v) * eps + m) ** 2, eps)


@pytest.mark.parametrize(
    ("question", "answer", "form", "message"),
    [
        (MEAN, MEAN, {}, "restates"),
        (MEAN, v * Expectation(eps**2, eps) + m**2, {}, "Expectation is still to be worked out"),
        (MEAN, Integral((sqrt(v) * y + m) ** 2 * normal_density(y, 0, 1), (y, -oo, oo)), {}, "an integral is still"),
        (alpha_bar[t], alpha[t] * alpha_bar[t - 1], {"without": [alpha_bar]}, r"alpha_bar\[t - 1\] should not"),
        (
            1 - alpha_bar[t],
            1 - alpha[t] * alpha_bar[t - 1],
            {"only": [alpha_bar[t - 1], beta]},
            r"alpha\[t\] should not",
        ),
        (Sum(f(s), (s, 1, t)), f(t) + Sum(f(s), (s, 1, t - 1)), {"without": [Sum]}, "a sum is still"),
        (y + f(z), f(z) + y * 1, {"without": [f]}, "restates"),
        ((y + f(z)) ** 2, y**2 + 2 * y * f(z) + f(z) ** 2, {"without": [f]}, r"f\(z\) should not"),
    ],
)
def test_an_answer_is_held_to_its_form(question, answer, form, message):
    with pytest.raises(Unfinished, match=message):
        Derivation(FORWARD, question).answer(answer, **form)


def test_an_answer_in_its_form_is_accepted_and_a_false_one_is_wrong():
    assert Derivation(FORWARD, MEAN).answer(m**2 + v, only=[m, v]).lines[-1].mark == "proved"
    found = Derivation(FORWARD, 1 - alpha_bar[t]).answer(
        beta[t] + alpha[t] * (1 - alpha_bar[t - 1]), only=[beta, alpha, alpha_bar[t - 1]]
    )
    assert found.last.has(beta)
    with pytest.raises(WrongStep) as error:
        Derivation(FORWARD, MEAN).answer(m**2 + v**2, only=[m, v])
    assert not isinstance(error.value, Unfinished)


# --- how a page shows it -------------------------------------------------------------------------------


def test_a_wide_sum_is_broken_and_its_reason_stands_under_it():
    wide = sum(Rational(k, 7) * x[t] ** k * sqrt(1 - alpha_bar[t - k]) / beta[t + k] for k in range(1, 9))
    reason = "a reason that nobody should have to scroll for " * 4
    shown = Derivation(FORWARD, wide).step(wide * y / y + 0, reason)._repr_latex_()
    rows = shown.split(r"\\[6pt]")
    assert all(len(row) < 420 for row in rows)
    assert sum("nobody" in row for row in rows) >= 2  # in several lines
    assert not any(r"\frac" in row and "nobody" in row for row in rows)


def test_a_short_line_has_its_reason_beside_it():
    shown = Derivation(FORWARD, snr_of_1 := alpha_bar[t]).step(alpha[t] * alpha_bar[t - 1], "last factor", [GROWTH])
    assert snr_of_1 == alpha_bar[t]
    assert r"\bar{\alpha}_{t} &= \alpha_{t} \bar{\alpha}_{t-1} \;\blacksquare &&\text{last factor}" in (
        shown._repr_latex_()
    )


def test_a_fact_of_a_derivation_is_used_by_name():
    fact = Fact(FORWARD, (y + z) ** 2, y**2 + 2 * y * z + z**2)
    assert r"\blacksquare" in fact._repr_latex_()


@pytest.mark.parametrize(
    "line",
    [
        "(y+1", "y, y", "[y]", "True", "None", '"y"', "sqrt", "open('/etc/passwd')", "(q:=y)", "y if True else z",
        "exit()", "9**9**9**9", "factorial(10**7)", "+".join(["y"] * 3000), "-" * 5000 + "y", "y^2",
        "__import__('os')",
        "y.__class__", "lambda: y", "[y for y in (1, 2)]", "y.subs(y, 1)",
    ],
)  # fmt: skip
def test_a_cell_reads_mathematics_and_runs_nothing(line):
    with pytest.raises(ValueError, match=r"can't be read|what is that|too large a number"):
        derive(Theory(), f"y\n= {line}", known({"y": y, "z": z, "factorial": factorial}))


def test_a_comment_alone_is_no_line():
    found = derive(forward_process(), "alpha[t]\n# a remark\n= 1 - beta[t]   # why\n  # more of it", known({}))
    assert [(verdict.mark, verdict.because) for verdict in found.verdicts()] == [("proved", "why more of it")]


def test_a_refusal_has_the_line_that_would_be_true():
    found = derive(forward_process(), "alpha[t]\n= 1 + beta[t]", known({}))
    assert found.lines[1].error.args[0].repaired == 1 - beta[t]
