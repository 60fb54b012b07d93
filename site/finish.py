"""What is done to the pages that Sphinx has made: mathematics typeset, styles and scripts in files, and a policy.

The policy lets a page load files of this site and nothing else: no script or style within a page, nothing from another
host. `wasm-unsafe-eval` allows WebAssembly, which the live pages compute with.
"""

import hashlib
import html
import json
import re
import subprocess
from functools import partial
from pathlib import Path

from PIL import Image

SITE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'"
)
# The page that typesets what the checker answers runs MathJax, which puts its styles into the page.
TYPESETS = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
FORMULA = re.compile(
    r'<(span|div) class="math notranslate nohighlight">\\(?:\((.*?)\\\)|\[(.*?)\\\])</\1>', flags=re.DOTALL
)
# Folded code, as MyST-NB writes it: its label would hide the line that says what the code does.
FOLD = re.compile(
    r'<details class="admonition hide above-input">\s*<summary[^>]*>\s*<p[^>]*>(.*?)</p>.*?</summary>', flags=re.DOTALL
)


def finish(out: Path) -> None:
    """Every page of the site in `out`."""
    pages = {path: path.read_text(encoding="utf-8") for path in out.rglob("*.html")}
    pages, css = with_mathematics(pages)
    styles: dict[str, int] = {}
    for path, text in pages.items():
        static = "../" * (len(path.relative_to(out).parts) - 1) + "_static"
        text = _without_inline(text, static, out / "_static")
        text = re.sub(r' style="([^"]*)"', partial(_numbered, styles), text)
        text = re.sub(r"<img ([^>]*)>", partial(_measured, path.parent), text)
        text = text.replace('loading="lazy" decoding="async"', 'fetchpriority="high"', 1)  # the first is seen at once
        text = FOLD.sub(r'<details class="code"><summary>\1</summary>', text)
        text = text.replace('class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"')
        policy = TYPESETS if "mathjax-config.js" in text else POLICY
        meta = f'<meta charset="utf-8">\n    <meta http-equiv="Content-Security-Policy" content="{policy}">'
        path.write_text(text.replace('<meta charset="utf-8">', meta, 1), encoding="utf-8")
    # An attribute is stronger than a rule: so is an id.
    rules = [f'[data-s="{number}"]:not(#_) {{ {style} }}' for style, number in styles.items()]
    (out / "_static" / "mathematics.css").write_text("\n".join([css, *rules]), encoding="utf-8")


def with_mathematics(pages: dict[Path, str]) -> tuple[dict[Path, str], str]:
    """The pages with all formulas typeset, and their style."""
    formulas = {_tex(found): None for text in pages.values() for found in FORMULA.finditer(text)}
    command = ["node", SITE / "typeset.mjs"]
    run = subprocess.run(command, input=json.dumps([*formulas]), stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(run.stdout)
    shown = dict(zip(formulas, answer["html"], strict=True))

    def put(found: re.Match) -> str:
        return f'<{found[1]} class="math notranslate nohighlight">{shown[_tex(found)]}</{found[1]}>'

    return {path: FORMULA.sub(put, text) for path, text in pages.items()}, answer["css"]


def _tex(found: re.Match) -> tuple[str, bool]:
    return html.unescape(found[2] or found[3]).strip(), found[1] == "div"


def _without_inline(text: str, static: str, folder: Path) -> str:
    """Scripts and styles that the theme writes into a page become files."""

    def moved(content: str, kind: str) -> str:
        name = f"inline-{hashlib.sha256(content.encode()).hexdigest()[:12]}.{kind}"
        (folder / name).write_text(content, encoding="utf-8")
        return f"{static}/{name}"

    def script(found: re.Match) -> str:
        return f'<script src="{moved(found[1], "js")}"></script>'

    def sheet(found: re.Match) -> str:
        return f'<link rel="stylesheet" href="{moved(found[1], "css")}">'

    text = re.sub(r"<script>(.+?)</script>", script, text, flags=re.S)
    return re.sub(r"<style[^>]*>(.+?)</style>", sheet, text, flags=re.S)


def _numbered(styles: dict[str, int], found: re.Match) -> str:
    number = styles.setdefault(html.unescape(found[1]), len(styles))
    return f' data-s="{number}"'


def _measured(folder: Path, found: re.Match) -> str:
    """A picture with its size, so that nothing moves when it comes; those further down wait until they are near."""
    attributes = found[1].rstrip("/ ")
    source = re.search(r'src="([^"]+)"', attributes)[1]
    if "width=" not in attributes and not source.endswith(".svg"):
        with Image.open(folder / source) as image:
            attributes += f' width="{image.width}" height="{image.height}"'
    return f'<img loading="lazy" decoding="async" {attributes}>'
