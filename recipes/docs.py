"""Build the documentation's pages into build/docs, and check what was built.

    python recipes/docs.py           # or: make docs

A warning of Sphinx, a link inside the pages that leads nowhere, and a page that would fetch something from another place than
its own are errors. Links to other places are not followed but listed, in build/external-links.txt.
"""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
#: What a browser fetches by itself; a link is followed by a person alone.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what a browser fetches for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if (name := FETCHED.get(tag)) and given.get(name):
            self.fetched.append(given[name])


def check(site: Path) -> tuple[list[str], list[str]]:
    """What is wrong with the pages of a folder, a line each, and the addresses of other places that they link to."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    wrong, external = [], set()
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in [*page.links, *page.fetched]:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or parts.netloc:
                external.add(address)
                continue
            if parts.scheme:  # data:, mailto:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                wrong.append(f"{name} links to {address}, which is not there")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                wrong.append(f"{name} links to {address}, which has no such heading")
        wrong += [f"{name} fetches {one}" for one in page.fetched if urlsplit(one).netloc]
    for style in site.rglob("*.css"):
        found = re.findall(
            r"(?:@import\s+|url\()\s*[\"']?((?:https?:)?//[^\"')\s]+)", style.read_text(encoding="utf-8")
        )
        wrong += [f"{style.relative_to(site)} fetches {address}" for address in found]
    return wrong, sorted(external)


def build(site: Path) -> None:
    """Run Sphinx; a warning raises CalledProcessError."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "docs", str(site)]
    subprocess.run(command, check=True, cwd=ROOT)


def main() -> int:
    """Build, check, and say where the pages are."""
    site = ROOT / "build" / "docs"
    try:
        build(site)
    except subprocess.CalledProcessError:
        return 1
    wrong, external = check(site)
    (site.parent / "external-links.txt").write_text("".join(f"{address}\n" for address in external), encoding="utf-8")
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    print(
        f"{site / 'index.html'}: {len(external)} links to other places, not followed, in {site.parent / 'external-links.txt'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
