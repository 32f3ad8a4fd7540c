"""docs/python.md is the reference of the front door: its blocks run, and it leaves nothing out."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlgan
from tlgan.extractors.colour import ColourExtractor

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
DOCUMENTED = (
    "from tlgan.audit import",
    "from tlgan.dataset import",
    "from tlgan.hooks import",
    "from tlgan.provenance import",
    "from tlgan.axes.directions import Directions",
    "import tlgan.plot",
)
#: What makes a block quick; everything else runs as it stands.
QUICK = (
    ("progress=print)", "progress=print, max_samples=400)"),
    ("faces=50)", "faces=4, plain=64)"),
)


def quick(block: str) -> str:
    for slow, fast in QUICK:
        block = block.replace(slow, fast)
    return block


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the blocks have defined, all but the last of them run; the block that publishes is run by its own test."""
    found: dict[str, Any] = {"__name__": "python_md"}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        patch.chdir(tmp_path_factory.mktemp("python"))
        for block in BLOCKS:
            if "tlgan.publish" not in block:
                exec(quick(block), found)
        found["folder"] = Path.cwd()
    return found


def test_the_blocks_do_what_they_say(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert names["ws"].axes.names[-1] == "redness"
    assert names["face"].image.size == (64, 64)
    assert abs(names["face"].changed()["smiling"] - 2) < 1
    assert (names["folder"] / "x.png").stat().st_size > 1000
    assert names["older"].edit.seed == 7
    assert names["older"].edit.locks == frozenset()
    assert tlgan.Axes.load(names["folder"] / "colour.safetensors").base == ("skin_brightness",)
    assert [evaluation.judge for evaluation in names["found"]] == ["judge40"]
    assert "did you mean smiling" in str(names.get("error", "did you mean smiling"))


def test_the_workspace_that_was_added_to_is_as_it_was(names: dict[str, Any]) -> None:
    before = tlgan.open(names["folder"] / "mine", generator=names["painter"], extractors=[names["redness"]])
    assert before.axes.names == ("redness",)
    after = before.add(ColourExtractor())
    assert before.axes.names == before.canvas.axes.names == ("redness",)
    assert after.axes.names == ("redness", *(feature.name for feature in ColourExtractor.features))
    assert tlgan.open(names["folder"] / "mine").axes.names == after.axes.names


def test_a_fitted_regression_knows_the_truth(names: dict[str, Any]) -> None:
    from sklearn.base import clone

    samples, axes = names["samples"], names["axes"]
    assert samples.latents.dtype == samples.values.dtype == np.float32
    again = tlgan.sample(names["generator"], names["extractor"], n=16, seed=0)
    np.testing.assert_array_equal(again.latents, samples.latents[:16])
    np.testing.assert_allclose(again.values, samples.values[:16], atol=1e-3)
    other = tlgan.sample(names["generator"], names["extractor"], n=512, seed=1)
    assert axes.score(samples) > axes.score(other) > 0.3
    assert axes.score(other) == pytest.approx(float(axes.r2_.mean()), abs=0.15)
    assert axes.predict(other.latents).shape == other.values.shape
    assert clone(axes).get_params() == {"base": ["skin_brightness"]}
    with pytest.raises(tlgan.UnknownFeature):
        tlgan.AxisRegression(base=["nothing"]).fit(samples)
    with pytest.raises(Exception, match="not fitted"):
        tlgan.AxisRegression().predict(other.latents)


def test_networks_in_memory_are_given_again_or_refused(names: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(tlgan.TlganError, match="another generator"):
        tlgan.open(names["folder"] / "mine", generator=names["generator"])
    with pytest.raises(tlgan.TlganError, match="was made with extractors redness"):
        tlgan.open(names["folder"] / "mine", extractors=[lambda pictures: {"other": pictures.mean((1, 2, 3))}])
    with pytest.raises(tlgan.TlganError, match=r"tlgan\.open\(folder, extractors="):
        _ = tlgan.open(names["folder"] / "mine").extractor
    with pytest.raises(tlgan.TlganError, match="starts from one thing"):
        names["mine"].face(seed=1, latent=np.zeros(16))


def test_errors_say_which_kind(names: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(tlgan.BadFile):
        names["ws"].face(png=tmp_path / "x.png")
    with pytest.raises(tlgan.BadFile):
        names["ws"].face(png=tmp_path / "none.png")
    for error in (tlgan.UnknownFeature, tlgan.BadFile, tlgan.NeedsTrust, tlgan.Refused):
        assert issubclass(error, tlgan.TlganError)


def test_publishing(names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript")
    from tlgan.web.publish.runtime import FILES, runtime_file

    try:
        for name in FILES:
            runtime_file(name)
    except tlgan.TlganError as error:
        pytest.skip(f"ONNX Runtime Web is not here and can't be fetched: {error}")
    monkeypatch.chdir(tmp_path)
    small = names["mine"]
    exec(next(block for block in BLOCKS if "tlgan.publish" in block), {"tlgan": tlgan, "ws": small})
    assert (tmp_path / "site" / "index.html").exists()


def test_every_name_of_the_front_door_is_on_the_page_and_can_be_imported() -> None:
    for name in tlgan.__all__:
        assert getattr(tlgan, name) is not None
        if name != "open_workspace":  # the old name of `open`
            assert re.search(rf"\b{name}\b", TEXT), f"docs/python.md does not name {name}"


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_the_documentation_imports_the_front_door_only(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    imports = [
        line for block in blocks for line in re.findall(r"^ *(?:from|import) tlgan\.[^\n]*", block, re.MULTILINE)
    ]
    # Hooks, provenance, data sets and audits have pages of their own, which document these modules.
    deep = [line for line in imports if not line.startswith(DOCUMENTED)]
    assert not deep, f"{page.name} imports deeper than the front door: {deep}"
