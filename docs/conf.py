"""Sphinx's settings: `make docs` builds the pages of this folder, which stay readable on a code host, into `build/docs`.

Sphinx, MyST and Furo rather than MkDocs: MkDocs 1 has had no release since 2024, and the maintenance of Material for MkDocs ends
with November 2026.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "docs" / "_ext")]

import tlgan  # noqa: E402

project = "tlgan"
copyright = "the authors of tlgan"
version = release = tlgan.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "command_line", "accessible"]
exclude_patterns = ["_ext"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

napoleon_google_docstring = False  # docstrings are plain sentences; one or two have NumPy's headings
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures hold names of optional libraries; shapes and units are in the docstrings
default_role = "code"  # docstrings are Markdown: `name` is code

html_theme = "furo"
html_title = f"tlgan {version}"
html_favicon = "../src/tlgan/web/page/icon.svg"
html_copy_source = False
html_show_sphinx = False
