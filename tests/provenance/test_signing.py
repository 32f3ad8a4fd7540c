"""Signed claims: C2PA manifests, read by the library's own reader, and what breaks them."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.independent import by_c2pa
from tlgan.cli import main
from tlgan.editing.film import write_film
from tlgan.errors import TlganError
from tlgan.provenance import Claim, encode, mark, signing, verify
from tlgan.provenance.containers import C2PA, KINDS, cut

c2pa = pytest.importorskip("c2pa", reason="the extra c2pa (c2pa-python) is not installed")

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
MADE = Claim(generator="faces", asked="smiling=+2")
EDITED = Claim("edited", generator="faces", asked="young=-1", parent="ef" * 32)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and its chain."""
    return signing.make_key(tmp_path_factory.mktemp("keys") / "signing", "Jo Example")


@pytest.fixture
def signed(key: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whatever is saved is signed."""
    monkeypatch.setenv(signing.VARIABLE, str(key))
    return key


def _data(manifest: dict[str, Any], label: str) -> Any:
    return next(one["data"] for one in manifest["assertions"] if one["label"] == label)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "MP4"])
def test_the_librarys_own_reader_finds_a_manifest_that_holds(signed: Path, format: str, tmp_path: Path) -> None:
    if format == "MP4":
        frames = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
        write_film(tmp_path / "a.mp4", frames, 5, MADE)
        data = (tmp_path / "a.mp4").read_bytes()
    else:
        data = encode(PICTURE, MADE, format)
    store = by_c2pa(data, KINDS[format].mime)
    assert store["validation_state"] == "Valid"
    manifest = store["manifests"][store["active_manifest"]]
    actions = _data(manifest, "c2pa.actions.v2")["actions"]
    assert [(action["action"], action["digitalSourceType"]) for action in actions] == [
        ("c2pa.created", MADE.source_type)
    ]
    assert actions[0]["parameters"]["asked"] == "smiling=+2"
    assert _data(manifest, signing.ASSERTION) == MADE.fields()
    assert "thumbnail" not in manifest
    report = verify(data, anchors=(signed / signing.AUTHORITY).read_text())
    assert (report.verdict, report.problems) == ("signed", ())
    assert report.manifest is not None
    assert report.manifest.trusted
    assert report.manifest.signer == "Jo Example"
    assert not verify(data).manifest.trusted


def test_a_flipped_bit_of_a_signed_picture_is_found(signed: Path) -> None:
    data = encode(PICTURE, MADE, "JPEG")
    start = 0
    for piece in cut(data):
        if piece.role != C2PA:  # some bytes of the manifest are padding that nothing covers
            for at in range(start, start + len(piece.raw), 97):
                flipped = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
                assert verify(flipped).verdict not in ("signed", "intact"), at
        start += len(piece.raw)


def test_somebody_elses_signed_words_under_this_picture_are_found(signed: Path) -> None:
    mine, other = (cut(encode(picture, MADE)) for picture in (PICTURE, 255 - PICTURE))
    swapped = b"".join(a.raw if a.role != "picture" else b.raw for a, b in zip(mine, other, strict=True))
    report = verify(swapped)
    assert report.verdict == "broken"
    assert len(report.problems) >= 2  # the digest of the XMP, and the signature


def test_a_signed_claim_cannot_be_made_another_by_new_xmp(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(PICTURE, MADE)
    with pytest.raises(TlganError, match="would break"):
        mark(data, EDITED)
    monkeypatch.delenv(signing.VARIABLE)
    photo = Claim("edited").fields() | {"tlgan:Seal": "x"}
    assert photo
    pieces = cut(data)
    forged = b"".join(
        next(p.raw for p in cut(encode(PICTURE, EDITED)) if p.role == "xmp") if piece.role == "xmp" else piece.raw
        for piece in pieces
    )
    assert any("otherwise than its signed manifest" in problem for problem in verify(forged).problems)


@pytest.mark.parametrize("with_file", [True, False])
def test_an_edited_photograph_has_it_as_parent(signed: Path, with_file: bool) -> None:
    photograph = io.BytesIO()
    Image.fromarray(PICTURE).save(photograph, "JPEG")
    data = encode(PICTURE, EDITED, parent=photograph.getvalue() if with_file else None)
    store = by_c2pa(data, "image/png")
    manifest = store["manifests"][store["active_manifest"]]
    assert store["validation_state"] == "Valid"
    assert [(i["relationship"], i["instance_id"]) for i in manifest["ingredients"]] == [
        ("parentOf", "sha256:" + "ef" * 32)
    ]
    actions = _data(manifest, "c2pa.actions.v2")["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert verify(data).manifest.parents == ("photograph",)


def test_a_parents_own_manifest_comes_with_it(signed: Path) -> None:
    parent = encode(PICTURE, MADE, "JPEG")
    store = by_c2pa(encode(PICTURE, EDITED, "JPEG", parent=parent), "image/jpeg")
    assert len(store["manifests"]) == 2
    assert store["validation_state"] == "Valid"


def test_pictures_that_are_only_shown_are_not_signed(signed: Path) -> None:
    assert verify(encode(PICTURE, MADE, sign=False)).verdict == "intact"


def test_keys_that_cannot_sign_get_one_line_and_no_picture(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(TlganError, match="must name a folder"):
        encode(PICTURE, MADE)
    for name, content, line in (
        ("junk", b"junk", "no private key"),
        ("chain", (key / signing.KEY).read_bytes(), "can't be signed"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / signing.KEY).write_bytes(content)
        (folder / signing.CHAIN).write_bytes(b"no certificates")
        monkeypatch.setenv(signing.VARIABLE, str(folder))
        with pytest.raises(TlganError, match=line):
            encode(PICTURE, MADE)
    monkeypatch.setenv(signing.VARIABLE, str(key))
    monkeypatch.setattr(signing, "available", lambda: False)
    with pytest.raises(TlganError, match="extra c2pa"):
        encode(PICTURE, MADE)


def test_without_the_library_a_manifest_is_told_of(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(PICTURE, MADE)
    monkeypatch.setattr(signing, "available", lambda: False)
    report = verify(data)
    assert report.verdict == "intact"  # our own digest does not need it
    assert "pip install" in report.note


def test_make_key_writes_a_key_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["make-key", "-o", str(tmp_path / "k"), "--name", "Jo"])
    assert ended.value.code == 0
    assert f"{signing.VARIABLE}={tmp_path / 'k'}" in capsys.readouterr().out
    assert stat.S_IMODE((tmp_path / "k" / signing.KEY).stat().st_mode) == 0o600
    with pytest.raises(TlganError, match="there already"):
        signing.make_key(tmp_path / "k", "Jo")
    with pytest.raises(TlganError, match="1 to 64"):
        signing.make_key(tmp_path / "other", "J" * 65)


def test_nothing_is_fetched_to_read_a_manifest(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that the library takes for its own, so that a manifest can't make it call anywhere."""
    seen: list[dict[str, Any]] = []
    make = c2pa.Settings.from_dict
    monkeypatch.setattr(c2pa.Settings, "from_dict", lambda given: seen.append(given) or make(given))
    data = encode(PICTURE, MADE)
    verify(data)
    for settings in seen:
        assert settings["verify"]["remote_manifest_fetch"] is False
        assert settings["verify"]["ocsp_fetch"] is False
    assert len(seen) == 2
