"""Pictures of pages in headless Chromium: wide and narrow, light and dark.

    python scripts/screenshots.py build/screenshots                     every component, from the test gallery
    python scripts/screenshots.py build/screenshots --base http://127.0.0.1:8000 /sign-in /tenants

With --base the pages are those of a running application; --cookie NAME=VALUE signs in.
"""

import argparse
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

WIDTHS = {"wide": 1280, "narrow": 360}
SCHEMES = ("light", "dark")
ARGS = ["--no-sandbox", "--disable-background-networking"]


def shoot(browser: Browser, base: str, path: str, target: Path, *, cookies: dict[str, str] | None = None) -> list[Path]:
    """Four pictures of one page, the whole page each; answers their files."""
    made = []
    for width, pixels in WIDTHS.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": pixels, "height": 860},
                color_scheme=scheme,  # type: ignore[arg-type]
                base_url=base,
                device_scale_factor=1,
            )
            context.add_cookies(
                [{"name": name, "value": value, "url": base} for name, value in (cookies or {}).items()]
            )
            page = context.new_page()
            page.goto(path)
            name = path.strip("/").replace("/", "-").replace("?", "-").replace("=", "-") or "start"
            file = target / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=file, full_page=True)
            made.append(file)
            context.close()
    return made


@contextmanager
def gallery() -> Iterator[str]:
    """The test gallery on a free port; answers its address."""
    from tests.web.gallery import make_gallery

    server = make_server("127.0.0.1", 0, make_gallery(PROPAGATE_EXCEPTIONS=False), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


GALLERY = (
    "/t/harbour/",
    "/t/harbour/agents/",
    "/t/harbour/agents/?q=nothing",
    "/t/harbour/agents/none",
    "/t/harbour/agents/new",
    "/t/harbour/agents/wrong",
    "/t/harbour/agents/show",
    "/t/harbour/agents/conflict",
    "/sign-in",
    "/fail/403",
    "/fail/503",
    "/nowhere",
)


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--base")
    parser.add_argument("--cookie", action="append", default=[])
    options = parser.parse_args()
    options.target.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    cookies = dict(cookie.split("=", 1) for cookie in options.cookie)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        if options.base:
            for path in options.paths:
                print(*shoot(browser, options.base, path, options.target, cookies=cookies), sep="\n")
        else:
            with gallery() as base:
                for path in options.paths or GALLERY:
                    print(*shoot(browser, base, path, options.target), sep="\n")
        browser.close()


if __name__ == "__main__":
    main()
