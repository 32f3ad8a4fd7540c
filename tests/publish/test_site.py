"""A published folder: what is in it, what it says, and what happens to a folder that was there before."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tlgan import TlganError
from tlgan.provenance import verify
from tlgan.web.publish import Published, publish, words
from tlgan.web.publish.files import SiteFiles, check_free
from tlgan.workspace import Workspace


class Reader(HTMLParser):
    """Addresses, policy and data of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.meta: dict[str, str] = {}
        self.data: dict[str, Any] = {}
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [
            v for k, v in found.items() if k in ("src", "href") and v and not v.startswith(("#", "data:"))
        ]
        if tag == "meta":
            name = found.get("name") or found.get("property") or found.get("http-equiv") or ""
            self.meta[name] = found.get("content") or ""
        self._inside = found.get("id") if found.get("type") == "application/json" else None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data[self._inside] = json.loads(data)
            self._inside = None


@pytest.fixture(scope="module")
def page(site: Published) -> Reader:
    return Reader((site.path / "index.html").read_text("utf-8"))


def test_everything_that_is_named_is_there_and_nothing_comes_from_elsewhere(site: Published, page: Reader) -> None:
    paths = page.addresses + [entry["path"] for entry in page.data["site"]["files"].values()]
    assert len(paths) > 8
    for path in paths:
        assert not re.match(r"([a-z]+:|/)", path), f"{path} is not below the page"
        assert (site.path / path).is_file()
    for file in site.path.rglob("*"):
        if file.suffix in (".js", ".css", ".html"):
            outside = re.findall(
                r"""(?:src|href|from|import|url)\s*[=(]?\s*["'(]https?:[^"')]*""", file.read_text("utf-8")
            )
            assert not outside, f"{file.name} reaches out: {outside}"


def test_the_policy_allows_the_page_alone(page: Reader) -> None:
    rules = dict(rule.split(" ", 1) for rule in page.meta["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == rules["worker-src"] == rules["style-src"] == "'self'"
    assert "'unsafe-eval'" not in rules["script-src"].split()
    assert "unsafe-inline" not in page.meta["Content-Security-Policy"]
    assert not re.search(r"https?:|\*", page.meta["Content-Security-Policy"])


def test_names_tell_the_content(site: Published, page: Reader) -> None:
    import hashlib

    for name, entry in page.data["site"]["files"].items():
        stored = (site.path / entry["path"]).read_bytes()
        content = gzip.decompress(stored) if entry["path"].endswith(".bin") else stored
        assert len(stored) == entry["bytes"]
        assert len(content) == entry["size"]
        assert hashlib.sha256(content).hexdigest()[:12] in entry["path"], name


def test_the_page_opens_with_a_face(page: Reader, world: Workspace) -> None:
    first = page.data["first"]
    assert first["frame"]["picture"].startswith("data:image/webp;base64,")
    assert [feature["name"] for feature in first["describe"]["features"]] == list(world.axes.names)
    measured = world.canvas.measure(world.face(seed=first["face"]["seed"]).latent[None])[0]
    np.testing.assert_allclose(first["frame"]["measured"], measured, atol=2e-3)


def test_it_says_what_it_is_made_of(site: Published, page: Reader) -> None:
    readme, notices = (site.path / "README.md").read_text("utf-8"), (site.path / "NOTICES.txt").read_text("utf-8")
    for text in (readme, notices):
        assert "do not exist" in text
        assert "Extractor colour" in text
        assert "not known to tlgan" in text  # the generator of these tests
    assert "Copyright (c) Microsoft Corporation" in notices
    assert "sdk: static" in readme.split("---")[1]
    assert "custom_headers" in readme.split("---")[1]
    assert "GitHub Pages" in readme
    assert page.data["first"]["describe"]["about"]["Known biases"]
    private = str(Path.home()).encode(), str(site.path.parent.parent).encode()
    for file in site.path.rglob("*"):
        if file.is_file() and file.suffix != ".bin":
            assert not any(path in file.read_bytes() for path in private), f"{file.name} names a path of this machine"


def test_biases_are_what_goes_together_in_the_pictures(world: Workspace) -> None:
    axes = world.axes
    correlation = np.eye(len(axes.features), dtype=np.float32)
    correlation[0, 1] = correlation[1, 0] = -0.8
    correlation[0, 2] = correlation[2, 0] = 0.3  # not worth a word
    tied = replace(axes, correlation=correlation, weak=np.zeros(len(axes.features), dtype=bool))
    one, other = axes.features[0].label, axes.features[1].label
    assert words.biases(tied) == [f"“{one}” goes against “{other}” (r = -0.80)"]
    young = replace(axes.features[-1], name="young", high="younger")
    share = np.linspace(-1, 3, len(axes.quantile_levels), dtype=np.float32)  # a quarter of the way is below even odds
    levels = np.linspace(0, 1, len(axes.quantile_levels), dtype=np.float32)
    quantiles = np.repeat(share[None], len(axes.features), axis=0)
    aged = replace(tied, features=(*axes.features[:-1], young), quantiles=quantiles, quantile_levels=levels)
    assert words.biases(aged)[0] == "75% of the pictures measure as “younger”"


def test_it_can_be_linked_to(site: Published, page: Reader) -> None:
    assert page.meta["og:title"]
    assert page.meta["description"]
    assert Image.open(site.path / page.meta["og:image"]).size == (1200, 630)
    assert "deploy-pages" in (site.path / ".github" / "workflows" / "pages.yml").read_text("utf-8")


def test_what_was_found_is_told(site: Published) -> None:
    assert [check.what for check in site.checks] == ["generator", "extractor"]
    assert all(check.passed for check in site.checks)
    assert site.generator_bytes == (next((site.path / "data").glob("generator-*"))).stat().st_size
    assert site.downloads["wasm"] < site.downloads["webgpu"]
    assert site.frame_milliseconds > 0
    lines = "\n".join(site.lines())
    assert "grey levels on 64 latents" in lines
    assert "MB with wasm" in lines


def test_an_extractor_that_is_no_function_of_tensors_leaves_its_sliders_unmeasured(
    halves: Workspace, browser_runtime: None, tmp_path: Path
) -> None:
    result = publish(halves, tmp_path / "site")
    assert any("halves" in note and "unmeasured" in note for note in result.notes)
    page = Reader((tmp_path / "site" / "index.html").read_text("utf-8"))
    assert page.data["site"]["facts"]["columns"] == [-1, -1, -1]
    assert "extractor" not in page.data["site"]["files"]


def test_a_site_replaces_a_site_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "site"
    first = SiteFiles()
    first.add("index.html", "one")
    first.add("old/gone.js", "1")
    first.write(out)
    (out / "CNAME").write_text("example.org")
    second = SiteFiles()
    second.add("index.html", "two")
    second.write(out)
    assert (out / "index.html").read_text() == "two"
    assert (out / "CNAME").read_text() == "example.org"
    assert not (out / "old").exists()
    assert not [path for path in tmp_path.iterdir() if path != out]


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path, world: Workspace) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(TlganError, match="holds other things"):
        publish(world, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(TlganError, match="is a file"):
        publish(world, tmp_path / "thesis.txt")


@pytest.mark.parametrize("listed", ['["../thesis.txt"]', '["/etc/passwd"]', "3", "null"])
def test_a_list_that_names_other_peoples_files_is_not_believed(tmp_path: Path, listed: str) -> None:
    (tmp_path / "site.json").write_text(f'{{"tlgan": 1, "files": {listed}}}')
    with pytest.raises(TlganError, match="holds other things"):
        check_free(tmp_path)


def test_a_smaller_resolution_has_to_be_one(world: Workspace, tmp_path: Path) -> None:
    with pytest.raises(TlganError, match="paints up to 32 pixels"):
        publish(world, tmp_path / "site", resolution=64)
    assert not (tmp_path / "site").exists()


def test_every_picture_of_a_site_was_painted_and_says_so(site: Published) -> None:
    """What a site holds is networks, numbers, the page, and pictures that carry a claim: no file that somebody opened."""
    files = [path for path in site.path.rglob("*") if path.is_file()]
    pictures = [path for path in files if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4")]
    assert [path.name for path in pictures] == ["og.png"]
    found = [path.read_bytes() for path in pictures]
    for name in ("index.html", "embed.html"):
        text = (site.path / name).read_text("utf-8")
        found += [base64.b64decode(data) for data in re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", text)]
    assert len(found) >= 4
    assert {verify(data).verdict for data in found} == {"intact"}
