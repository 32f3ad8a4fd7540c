"""A picture that is saved in any way says what it is to readers that are not ours, and one flipped byte is found.

What the pages save in the browser is looked at in the same way in `tests/studio/test_says.py` and
`tests/publish/test_site_in_browser.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import tlgan.workspace
from tests.dataset.second_judge import Judge
from tests.independent import EXIFTOOL, MADE, by_c2pa, by_exiftool
from tlgan.cli import main
from tlgan.dataset import Request, make_dataset
from tlgan.provenance import signing, verify
from tlgan.provenance.containers import C2PA, cut
from tlgan.web.server import create_app
from tlgan.workspace import Workspace

Way = Callable[[Workspace, Path], bytes]


def by_python(workspace: Workspace, folder: Path) -> bytes:
    workspace.face(seed=3).set(left=1.5).save(folder / "a.png")
    return (folder / "a.png").read_bytes()


def by_command(workspace: Workspace, folder: Path) -> bytes:
    with pytest.raises(SystemExit) as ended:
        main(["edit", str(workspace.path), "left=+1.5", "--seed", "3", "-o", str(folder / "a.png")])
    assert ended.value.code == 0
    return (folder / "a.png").read_bytes()


def by_studio(workspace: Workspace, folder: Path) -> bytes:
    face = {"seed": 3, "asked": {"left": 1.5}, "locks": [], "exact": False}
    with TestClient(create_app(workspace), base_url="http://127.0.0.1:8000") as client:
        return client.post("/api/render", json={"face": face}).content


def by_dataset(workspace: Workspace, folder: Path) -> bytes:
    make_dataset(workspace, folder / "data", Request(4, balance=("right_bright",)), judge=Judge())
    return next((folder / "data").rglob("*.png")).read_bytes()


@pytest.fixture(params=[by_python, by_command, by_studio, by_dataset], ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest, halves: Workspace, monkeypatch: pytest.MonkeyPatch) -> Way:
    monkeypatch.setattr(tlgan.workspace, "open_workspace", lambda *_, **__: halves)
    return request.param


def flipped(data: bytes) -> list[bytes]:
    """The picture with one bit changed, in many places; some bytes of a manifest are padding that nothing covers."""
    found, start = [], 0
    for piece in cut(data):
        if piece.role != C2PA:
            places = range(start, start + len(piece.raw), 1 + len(piece.raw) // 5)
            found += [data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :] for at in places]
        start += len(piece.raw)
    return found


@pytest.mark.skipif(not EXIFTOOL, reason="exiftool is not installed")
def test_exiftool_reads_it_and_a_flipped_byte_is_found(way: Way, halves: Workspace, tmp_path: Path) -> None:
    data = way(halves, tmp_path)
    words = by_exiftool(data)
    assert words["DigitalSourceType"] == MADE
    assert words["AISystemVersionUsed"] == halves.axes.generator
    assert verify(data).verdict == "intact"
    assert {verify(bad).verdict for bad in flipped(data)} <= {"broken", "unreadable", "none"}


def test_the_reader_of_c2pa_holds_it_for_valid_and_finds_a_flipped_byte(
    way: Way, halves: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c2pa = pytest.importorskip("c2pa", reason="the extra c2pa (c2pa-python) is not installed")
    monkeypatch.setenv(signing.VARIABLE, str(signing.make_key(tmp_path / "signing", "Jo Example")))
    data = way(halves, tmp_path)
    store = by_c2pa(data)
    assert store["validation_state"] == "Valid"
    manifest = store["manifests"][store["active_manifest"]]
    actions = next(one["data"]["actions"] for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2")
    assert [(action["action"], action["digitalSourceType"]) for action in actions] == [("c2pa.created", MADE)]
    assert verify(data).verdict == "signed"
    for bad in flipped(data):
        assert verify(bad).verdict not in ("signed", "intact")
        try:
            state = by_c2pa(bad)["validation_state"]
        except c2pa.C2paError:  # it is no PNG any more
            continue
        assert state == "Invalid"
