"""The built site behind a server of its own, and a browser that reaches nothing else."""

import functools
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

OUT = Path(__file__).parents[2] / "build" / "site"
BROWSER = os.environ.get("MINI_DDPM_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def site():
    """The address of the site."""
    assert (OUT / "index.html").exists(), "make site comes first"
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=OUT))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(site, browser):
    """A page whose requests to other hosts fail; `page.complaints` holds what went wrong on it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.complaints = []

    def only_here(route):
        if route.request.url.startswith((site, "data:", "blob:")):
            route.continue_()
        else:
            page.complaints.append(f"asks another host: {route.request.url}")
            route.abort()

    context.route("**/*", only_here)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None)
    yield page
    context.close()
