"""Sliders in a real browser: run a notebook in JupyterLab, move a slider, see the picture change.

    make test-browser

Needs Chromium: Debian and Ubuntu have it as a package, `playwright install chromium` fetches one elsewhere.
MINI_DDPM_BROWSER names another executable.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WITH_SLIDERS = ["01_forward_process", "03_kl_between_gaussians", "04_posterior", "08_sampling"]
BROWSER = os.environ.get("MINI_DDPM_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")


def answer(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own, on copies of the notebooks, without settings of the user."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, home / "notebooks")
    settings = home / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"windowingMode": "none"}))  # keep every cell in the page
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--ServerApp.port={port}", "--allow-root"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={home / 'notebooks'}"]
    environment = os.environ | {
        "MINI_DDPM_FAST": "1",
        "TQDM_DISABLE": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def up():
        try:
            return answer(f"{url}/api/status")
        except OSError:
            return None

    wait_until(up, 60)
    yield url
    server.terminate()
    server.wait(30)


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1200, "height": 1000})
        browser.close()


def run_all(page: Page, lab: str, name: str) -> None:
    """Open a notebook, run all its cells, and wait until the kernel has done so."""
    page.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
    expect(page.locator(".jp-Notebook")).to_be_visible(timeout=60_000)
    wait_until(lambda: [kernel["execution_state"] for kernel in answer(f"{lab}/api/kernels")][-1:] == ["idle"], 60)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # a finished cell shows its number, a waiting one a star
    expect(page.locator(".jp-InputPrompt", has_text="[*]").first).to_be_visible(timeout=10_000)
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(0, timeout=180_000)


@pytest.mark.parametrize("name", WITH_SLIDERS)
def test_moving_a_slider_changes_the_picture(lab, page, name):
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def heard(message):
        if message.type == "error" and message.location["url"].startswith(lab):  # the badge is elsewhere
            complaints.append(message.text)

    page.on("console", heard)
    run_all(page, lab, name)
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    widget = page.locator(".widget-interact").first
    widget.scroll_into_view_if_needed()
    picture = widget.locator("img")
    expect(picture).to_be_visible(timeout=30_000)
    before = picture.get_attribute("src")
    handle = widget.locator(".noUi-handle").first
    handle.focus()
    for _ in range(5):
        handle.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", before, timeout=30_000)
    assert not complaints
