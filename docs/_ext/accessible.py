"""What Furo's pages lack for people who use a keyboard or a screen reader, put in once the pages are written."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

MENDED = (
    ('<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    ('<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="All pages">'),
    ('<aside class="toc-drawer">', '<aside class="toc-drawer" aria-label="On this page">'),
    ('<pre>', '<pre tabindex="0">'),
    ('<div class="table-wrapper docutils container">', '<div class="table-wrapper docutils container" tabindex="0">'),
)  # fmt: skip


def mend(app: Sphinx, exception: Exception | None) -> None:
    for page in Path(app.outdir).rglob("*.html") if exception is None else ():
        text = page.read_text(encoding="utf-8")
        for lacking, mended in MENDED:
            text = text.replace(lacking, mended)
        page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True}
