"""Look at the built documentation in a browser: nothing may scroll sideways on a phone, and search must find.

    python docs/_tools/check_site.py docs/_build/html

Needs Chromium; says so and succeeds where there is none.
"""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from html import unescape
from pathlib import Path
from urllib.parse import quote

WIDTH = 400
# What people type, and a page that has to be among the first results.
QUERIES = {
    "401": "troubleshooting",
    "429": "troubleshooting",
    "404": "troubleshooting",
    "timeout": "troubleshooting",
    "certificate": "troubleshooting",
    "event loop is closed": "troubleshooting",
    "excel": "how-to/recipes",
    "duckdb": "how-to/recipes",
    "sqlite": "how-to/recipes",
    "proxy": "how-to/proxies-and-tls",
    "exit code": "troubleshooting",
    "503": "troubleshooting",
    "on_retry": "retries",
    "history": "reference/errors",
}
FIRST_RESULTS = 5
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_NAME = "narrow-check.html"
# Opens one page after another in a frame of a phone's width, and writes down what it sees.
_PAGE = """<!doctype html><meta charset="utf-8"><pre id="seen"></pre><script>
const pages = PAGES, queries = QUERIES, seen = {wide: {}, found: {}};
const frame = document.createElement("iframe");
frame.style.width = "WIDTHpx"; frame.style.height = "800px"; frame.style.border = "0";
document.body.append(frame);
const opened = (url) => new Promise((done) => { frame.onload = done; frame.src = url; });
// How far to the right something reaches that is not inside a box which scrolls by itself.
const furthest = (view) => {
  let reached = view.document.documentElement.scrollWidth;
  const visit = (element) => {
    for (const child of element.children) {
      const style = view.getComputedStyle(child), box = child.getBoundingClientRect();
      if (style.display === "none" || style.position === "absolute" || style.position === "fixed") continue;
      if (box.width > 1) reached = Math.max(reached, box.right);
      if (!["auto", "scroll"].includes(style.overflowX)) visit(child);
    }
  };
  const content = view.document.querySelector("article, .content");
  if (content) visit(content);
  return reached;
};
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
(async () => {
  for (const page of pages) {
    await opened(page);
    const widest = furthest(frame.contentWindow);
    if (widest > WIDTH + 1) seen.wide[page] = Math.round(widest);
  }
  for (const query of queries) {
    await opened("search.html?q=" + encodeURIComponent(query));
    for (let tries = 0; tries < 100; tries++) {
      await pause(50);
      const summary = frame.contentDocument.querySelector(".search-summary");
      if (summary && summary.innerText) break;
    }
    seen.found[query] = [...frame.contentDocument.querySelectorAll("ul.search li a")]
      .map((link) => new URL(link.href).pathname);
  }
  document.getElementById("seen").textContent = JSON.stringify(seen);
})();
</script>"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing for each request."""


def look(site: Path, browser: str) -> dict[str, dict[str, object]]:
    """Open every page.

    Args:
        site: The folder of the built site.
        browser: Path of Chromium.

    Returns:
        `wide`, page to its width in pixels, and `found`, query to the paths found.
    """
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    text = _PAGE.replace("PAGES", json.dumps(pages)).replace(
        "QUERIES", json.dumps(list(QUERIES))
    )
    check = site / _NAME
    check.write_text(text.replace("WIDTH", str(WIDTH)), encoding="utf-8")
    handler = functools.partial(_Quiet, directory=str(site))
    try:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}/{quote(_NAME)}"
            # Virtual time: the browser waits for what the page does, not for a number of seconds.
            options = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--virtual-time-budget=600000",
            ]
            done = subprocess.run(  # noqa: S603
                [browser, *options, "--dump-dom", address],
                check=True,
                capture_output=True,
                text=True,
            )
            server.shutdown()
    finally:
        check.unlink()
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    if found is None or not found[1]:
        raise SystemExit(f"the browser did not finish: {done.stderr[-500:]}")
    seen: dict[str, dict[str, object]] = json.loads(unescape(found[1]))
    return seen


def main() -> int:
    """Check one site.

    Returns:
        The exit status: 1 where something is wrong.
    """
    site = Path(sys.argv[1])
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        print("not checked in a browser: Chromium is not installed")
        return 0
    seen = look(site, browser)
    problems = [
        f"{page} is {width} px wide, in {WIDTH} px"
        for page, width in seen["wide"].items()
    ]
    for query, page in QUERIES.items():
        paths = [str(path) for path in seen["found"][query]][:FIRST_RESULTS]
        if not any(path.endswith(f"/{page}.html") for path in paths):
            problems.append(f"searching for {query!r} does not lead to {page}: {paths}")
    print(
        "\n".join(problems)
        or f"no page is wider than {WIDTH} px, and {len(QUERIES)} searches find their page"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
