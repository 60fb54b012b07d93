"""How Sphinx makes the site; build.py calls it."""

from html import escape
from pathlib import Path

from docutils import nodes

project, html_title = "mini-ddpm", "mini-ddpm"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # the outputs are those that the tests compare
nb_mime_priority_overrides = [("html", "text/plain", None)]  # a picture is shown, its repr is not
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3
myst_update_mathjax = False
suppress_warnings = ["mystnb.unknown_mime_type"]
smartquotes = False

html_theme = "furo"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["mathematics.css", "site.css"]
html_js_files = [("page.js", {"defer": ""}), ("slider.js", {"defer": ""})]
html_favicon = str(Path(__file__).parent / "static" / "favicon.svg")
html_copy_source = html_show_sourcelink = html_show_copyright = False
html_permalinks = False
html_use_index = False
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
html_math_renderer = "later"


def _inline(visitor, node):
    visitor.body.append(f'<span class="math notranslate nohighlight">\\({escape(node.astext(), quote=False)}\\)</span>')
    raise nodes.SkipNode


def _display(visitor, node):
    visitor.body.append(f'<div class="math notranslate nohighlight">\\[{escape(node.astext(), quote=False)}\\]</div>')
    raise nodes.SkipNode


def _scripts(app, pagename, *_):
    if pagename == "check":  # the checker answers in TeX
        app.add_js_file("mathjax-config.js")
        app.add_js_file("../mathjax/startup.js", defer="")


def setup(app):
    """Mathematics stays TeX until finish.py has all of it."""
    app.add_html_math_renderer("later", (_inline, None), (_display, None))
    app.connect("html-page-context", _scripts)
