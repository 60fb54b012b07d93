"""The pages of the site in a real browser, with the network cut: make site, then make test-site."""

import re

import pytest
from conftest import OUT
from playwright.sync_api import expect

AXE = OUT.parents[1] / "site" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = sorted(path.name for path in OUT.glob("*.html"))
NOTEBOOKS = [name for name in PAGES if (OUT / "notebooks" / name.replace(".html", ".ipynb")).exists()]
SLIDERS = sorted(path.name for path in (OUT / "frames").iterdir() if path.is_dir())
LARGEST = 3_000_000  # bytes, before a live part is asked for
SHOW_ALL = """() => {
  document.querySelectorAll('details').forEach(fold => fold.open = true);
  document.querySelectorAll('section').forEach(part => part.style.contentVisibility = 'visible');
  return new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)));
}"""
each = pytest.mark.parametrize("name", PAGES)


def text_of(name):
    return (OUT / name).read_text(encoding="utf-8")


def test_every_notebook_is_there():
    stems = {path.stem for path in (OUT.parents[1] / "notebooks").glob("*.ipynb")}
    assert {name.removesuffix(".html") for name in NOTEBOOKS} == stems


@each
def test_a_page_renders_without_a_complaint_and_is_light(site, page, name):
    sizes = []
    page.on("response", lambda response: sizes.append(len(response.body()) if response.ok else 0))
    page.goto(f"{site}/{name}", wait_until="networkidle")
    # pictures come when they are near: here at once, and one that is broken is an error
    come = "images => Promise.all(images.map(image => { image.loading = 'eager'; return image.decode(); }))"
    page.locator("article img").evaluate_all(come)
    page.wait_for_load_state("networkidle")
    assert page.complaints == []
    assert sum(sizes) < LARGEST


@each
def test_the_policy_lets_in_nothing_from_within_a_page(name):
    text = text_of(name)
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)[1]
    assert "default-src 'none'" in policy
    assert "'unsafe-eval'" not in policy
    assert re.search(r"script-src 'self' 'wasm-unsafe-eval'(;|$)", policy)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style| style=| on\w+=\"|https?://[^\"]*\.(js|css|woff2?)", text)


@each
def test_axe_finds_nothing_serious(site, page, name):
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(f"{site}/{name}", wait_until="networkidle")
    page.evaluate(SHOW_ALL)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert serious(page, {}) == []
    page.emulate_media(color_scheme="dark")
    assert serious(page, {"runOnly": ["color-contrast"]}) == []


def serious(page, options):
    """What axe finds on a page; not among the glyphs of formulas, which screen readers skip for the MathML."""
    run = "options => axe.run({exclude: ['mjx-math']}, {resultTypes: ['violations'], ...options})"
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in page.evaluate(run, options)["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]


@each
def test_links_lead_somewhere(name):
    for target in re.findall(r'(?:href|src)="([^"]+)"', text_of(name)):
        place, _, anchor = target.partition("#")
        if re.match(r"(https?|mailto|data):", target):
            continue
        file = OUT / (place.partition("?")[0] or name)
        assert file.exists(), target
        if anchor and file.suffix == ".html":
            assert f'id="{anchor}"' in file.read_text(encoding="utf-8"), target


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_fits_a_phone(site, page, name):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}/{name}", wait_until="networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cut = """() => [...document.querySelectorAll('.exercise, details')].filter(box =>
        box.scrollWidth > box.clientWidth + 1).map(box => box.textContent.slice(0, 60))"""
    assert page.evaluate(cut) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_pictures_have_a_sentence_and_formulas_their_mathml(name):
    for image in re.findall(r"<img [^>]*>", text_of(name)):
        alt = re.search(r'alt="([^"]*)"', image)[1]
        assert len(alt.split()) >= 5, image
    assert text_of(name).count("<mjx-container") == text_of(name).count("<mjx-assistive-mml")
    assert not re.search(r"(?<!\\)\$\S[^$<]*\\[a-z]+[^$<]*\$", re.sub(r"<pre>.*?</pre>", "", text_of(name), flags=re.S))


@pytest.mark.parametrize("stem", SLIDERS)
def test_a_slider_moves_its_picture_and_says_what_is_seen(site, page, stem):
    page.goto(f"{site}/{stem}.html")
    slider = page.locator("figure.slider")
    picture, caption = slider.locator("img"), slider.locator("figcaption")
    for control in slider.locator("input").all():
        before, said = picture.get_attribute("src"), caption.inner_text()
        shown = control.get_attribute("aria-valuetext")
        control.focus()
        page.keyboard.press("ArrowRight")
        expect(picture).not_to_have_attribute("src", before)
        expect(caption).not_to_have_text(said)
        assert control.get_attribute("aria-valuetext") != shown
        picture.scroll_into_view_if_needed()  # one out of sight may wait
        page.wait_for_function("image => image.complete && image.naturalWidth", arg=picture.element_handle())
    assert page.complaints == []


def test_code_is_folded_under_a_line_and_unfolds_for_good(site, page):
    page.goto(f"{site}/02_elbo.html")
    code = page.locator("div.cell_input").first
    expect(code).to_be_hidden()
    assert all(len(line.split()) >= 2 for line in page.locator("details.code > summary").all_text_contents())
    page.get_by_role("button", name="Unfold all code").press("Enter")
    expect(code).to_be_visible()
    page.goto(f"{site}/03_kl_between_gaussians.html")
    expect(page.locator("div.cell_input").first).to_be_visible()


def test_an_exercise_has_hints_and_a_solution_folded(site, page):
    page.goto(f"{site}/02_elbo.html")
    exercise = page.locator(".exercise").first
    solution = exercise.locator("details", has_text="Solution")
    expect(solution.locator("p").first).to_be_hidden()
    solution.locator("summary").press("Enter")
    expect(solution.locator("p").first).to_be_visible()


def test_a_symbol_leads_to_the_table_and_back(site, page):
    page.goto(f"{site}/00_start_here.html")
    page.locator("a.symbol").first.click()
    expect(page).to_have_url(re.compile(r"A_notation\.html#symbol-\d+"))
    place = page.url.partition("#")[2]
    page.locator(f'a[href="00_start_here.html#{place}"]').click()
    expect(page.locator(f"#{place}")).to_be_in_viewport()


def test_search_finds_a_page(site, page):
    page.goto(f"{site}/search.html?q=posterior")
    expect(page.locator("#search-results li a").first).to_be_visible()
    assert page.complaints == []


@pytest.mark.parametrize("name", ["check", "draw", "peaks", *SLIDERS])
def test_a_page_says_what_is_missing_without_scripts(site, browser, name):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{site}/{name}.html")
    expect(page.locator("noscript p")).to_be_visible()
    page.close()


def test_who_wants_no_motion_gets_none(site, page):
    moving = (
        "document.getAnimations().length + (getComputedStyle(document.documentElement).scrollBehavior === 'smooth')"
    )
    page.goto(f"{site}/02_elbo.html")
    assert page.evaluate(moving) > 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0


@pytest.mark.parametrize("width", [390, 1000, 1400])
def test_a_link_into_a_page_lands_there(site, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    target = page.locator("section#exercises")
    for way in ("typed", "followed"):
        page.goto(f"{site}/index.html")
        page.goto(f"{site}/02_elbo.html{'#exercises' if way == 'typed' else ''}", wait_until="networkidle")
        if way == "followed":
            page.locator(".toc-drawer a[href='#exercises']").evaluate("link => link.click()")
            page.wait_for_timeout(1000)
        assert -50 < target.bounding_box()["y"] < 150, way


def test_menus_open_by_keyboard_and_are_no_stop_while_closed(site, page):
    page.set_viewport_size({"width": 1000, "height": 800})
    page.goto(f"{site}/02_elbo.html", wait_until="networkidle")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        left = page.locator("*:focus").bounding_box()
        assert -1 < left["x"] < 1000
        seen.append(page.locator("*:focus").get_attribute("for"))
    assert {"__navigation", "__toc"} <= {*seen}
    menu = page.locator("label.nav-overlay-icon")
    menu.focus()
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".sidebar-search")).to_be_visible()
    page.wait_for_timeout(500)
    assert page.locator(".sidebar-search").bounding_box()["x"] > -1
    menu.focus()
    page.keyboard.press(" ")
    expect(menu).to_have_attribute("aria-expanded", "false")


def test_links_to_colab_have_a_notebook(site):
    for name in NOTEBOOKS:
        assert 'https://colab.research.google.com/github/"' not in text_of(name)
