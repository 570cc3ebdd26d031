"""Chromium for the tests, and applications served to it on a free port of this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from scripts.screenshots import ARGS
from tests.servers import browser_path, require

AUDIT = (Path(__file__).parent / "web" / "audit.js").read_text(encoding="utf-8")
"""The accessibility check: a script whose value is the list of what is wrong with the page."""


@contextmanager
def launched_browser() -> Iterator[Browser]:
    """A browser; the test is skipped, or fails where one is required, if there is none."""
    require("browser")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        yield launched
        launched.close()


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of an application that answers while the block runs."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
