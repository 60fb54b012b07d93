"""A derivation as HTML: a row for each line, with its mark and its reason, so that a phone can break and stack them."""

import html
import re

RELATION = re.compile(r"=|\\(geq?|leq?|simeq|sim)\b")
MARKS = {r"\;\blacksquare": ("■", "proved"), r"\;\square": ("□", "checked"), r"\;\times": ("×", "refused")}


def rows(latex: str) -> str:
    """The lines of a derivation that was displayed: `$$\\begin{aligned} ... \\end{aligned}$$`."""
    found = re.fullmatch(r"\$\$\\begin\{aligned\}\n(.*)\n\\end\{aligned\}\$\$", latex.strip(), re.S)
    if not found:
        return in_math(latex)
    lines = [_row(line) for line in found[1].split(r"\\[6pt]")]
    return f'<div class="derivation">{"".join(lines)}</div>'


def _row(line: str) -> str:
    before, _, line = line.strip().partition("&")
    line, _, reason = line.partition("&&")
    line, mark = _marked(line.strip())
    if alone := re.fullmatch(r"\\quad\\scriptsize\\text\{(.*)\}", line):
        return f'<p class="reason">{_plain(alone[1])}</p>'
    if told := re.fullmatch(r"\\text\{(.*)\}", reason.strip()):
        reason = f'<span class="reason">{_plain(told[1])}</span>'
    start = f'<p class="line first">{_inline(before)}</p>' if before.strip() else ""
    kind = "line more" if line.startswith(r"\quad") else "line" if RELATION.match(line) else "line first"
    formula = _inline(line.removeprefix(r"\quad"))
    return f'{start}<p class="{kind}">{formula}{mark}{reason}</p>'


def _marked(line: str) -> tuple[str, str]:
    for tex, (sign, word) in MARKS.items():
        if line.endswith(tex):
            return line.removesuffix(tex), f'<span class="mark {word}" title="{word}">{sign}</span>'
    return line, ""


def _plain(text: str) -> str:
    """The words of a \\text{...}, in which a few characters were escaped."""
    return html.escape(re.sub(r"\\([_%&#$^{}])(\{\})?", r"\1", text))


def _inline(tex: str) -> str:
    return f'<span class="math notranslate nohighlight">\\(\\displaystyle {html.escape(tex.strip())}\\)</span>'


def in_math(text: str) -> str:
    """HTML with `$$...$$` and `$...$`, marked as Sphinx marks mathematics."""
    text = re.sub(r"\$\$(.*?)\$\$", r'<div class="math notranslate nohighlight">\\[\1\\]</div>', text, flags=re.S)
    return re.sub(r"\$(.+?)\$", r'<span class="math notranslate nohighlight">\\(\1\\)</span>', text)


def refusal(shown: str) -> str:
    """What the checker said of a wrong line, folded: the reader looks for it first."""
    derivation, _, complaint = shown.partition("</div>")
    lines = rows(html.unescape(derivation.removeprefix("<div>")))
    return (
        f"{lines}<details class='refusal'><summary>The machine refuses the last line. Why?</summary>"
        f"{in_math(complaint)}</details>"
    )
