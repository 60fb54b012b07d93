"""Builds the site in build/site from the executed notebooks; `make site` calls it.

frames.py has drawn the sliders' frames, and `npm ci` has put the packages of the lock file into site/node_modules, each
compared with its hash there.
"""

import re
import shutil
import tomllib
from pathlib import Path

import finish
import live_assets
import nbformat
from notation import TABLE, Notation
from pages import page
from sphinx.cmd.build import build_main

SITE = Path(__file__).parent
ROOT = SITE.parent
SOURCE, OUT, FRAMES = (ROOT / "build" / name for name in ("pages", "site", "frames"))
COPIED = {"labs": "notebooks/labs/README.md", "checking": "mini_ddpm/symbolic/README.md"}
MATHJAX = SITE / "node_modules" / "mathjax"
FONT = SITE / "node_modules" / "@mathjax" / "mathjax-newcm-font"


def write_sources() -> None:
    """What Sphinx reads: the pages of this folder, two that stand elsewhere, and the notebooks, rearranged."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    install = "## Install\n" + readme.partition("\n## Install\n")[2].partition("\n## Sources\n")[0]
    for path in SITE.glob("*.md"):
        text = path.read_text(encoding="utf-8").replace("<!-- README -->", install)
        (SOURCE / path.name).write_text(without_dead_links(text), encoding="utf-8")
    for name, path in COPIED.items():
        text = without_dead_links((ROOT / path).read_text(encoding="utf-8"))
        (SOURCE / f"{name}.md").write_text(text, encoding="utf-8")
    for path in (SITE / "live").glob("*.html"):
        (SOURCE / path.name.replace("html", "fragment")).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    shutil.copy(ROOT / "data" / "samples.png", SOURCE)
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in sorted(ROOT.glob("notebooks/*.ipynb"))}
    for cell in (cell for notebook in notebooks.values() for cell in notebook.cells if cell.cell_type == "markdown"):
        cell.source = without_dead_links(cell.source)
    notation = Notation(notebooks[TABLE], [*notebooks])
    for stem in sorted(notebooks, key=lambda stem: stem == TABLE):  # the table comes last: it leads back
        nbformat.write(page(notebooks[stem], stem, FRAMES, notation), SOURCE / f"{stem}.ipynb")


def without_dead_links(text: str) -> str:
    """Markdown whose links to files of the repository lead to pages here, or, once its address is known, to it."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("urls", {})
    address = urls.get("Repository", "")

    def led(link: re.Match) -> str:
        words, target = link.groups()
        name = target.rpartition("/")[2]
        here = target.removesuffix(".md") in COPIED or (not target.startswith("..") and (SITE / target).exists())
        if target.startswith(("http", "#")) or here:
            return link[0]
        if name.endswith(".ipynb") and (ROOT / "notebooks" / name).exists():
            return f"[{words}]({name})"
        return f"[{words}]({address}/blob/main/{target.removeprefix('../')})" if address else words

    text = re.sub(r"(?<!!)\[([^\]]*)\]\(([^)]+)\)", led, text)
    return text.replace("REPOSITORY", address) if address else text


def add_files() -> None:
    """What pages load beside Sphinx's own: notebooks, frames, and of MathJax what the page "Check a line" needs."""
    live_assets.build(OUT)
    shutil.copytree(FRAMES, OUT / "frames", ignore=shutil.ignore_patterns("drawn"))
    (OUT / "notebooks").mkdir()
    for path in ROOT.glob("notebooks/*.ipynb"):
        shutil.copy(path, OUT / "notebooks")
    shutil.copytree(FONT / "chtml", OUT / "mathjax" / "mathjax-newcm-font" / "chtml")
    shutil.copy(FONT / "chtml.js", OUT / "mathjax" / "mathjax-newcm-font")
    shutil.copytree(MATHJAX / "input", OUT / "mathjax" / "input")
    for name in ("startup.js", "core.js", "output/chtml.js", "a11y/assistive-mml.js"):
        (OUT / "mathjax" / name).parent.mkdir(exist_ok=True)
        shutil.copy(MATHJAX / name, OUT / "mathjax" / name)


def main() -> None:
    """All of it, from nothing."""
    write_sources()
    shutil.rmtree(OUT, ignore_errors=True)
    places = ["-c", SITE, "-d", SOURCE / ".doctrees", SOURCE, OUT]
    if build_main(["-q", "-W", "--keep-going", *map(str, places)]):
        raise SystemExit("Sphinx is not content: see above")
    shutil.rmtree(OUT / "_sources", ignore_errors=True)
    add_files()
    finish.finish(OUT)


if __name__ == "__main__":
    main()
