"""Photographs inverted, edited and written: what stays is bit-identical, what is written says what it is."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.worlds import SIDE, HalvesExtractor, halves_generator
from tlgan import TlganError, cli
from tlgan.extractors.combined import CombinedExtractor
from tlgan.photographs import Inverter, Plan, load_inversion, read_photograph, write_photograph
from tlgan.photographs.encoder import Encoder, load_encoder
from tlgan.photographs.pasting import change_of, paste, paste_mask
from tlgan.photographs.warping import similarity, unwarp
from tlgan.provenance import Claim, verify_file
from tlgan.workspace import Workspace

QUICK = Plan(small=40, rate=0.2)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Two halves of another grey, some noise, EXIF and a comment's worth of metadata; 48 x 40 pixels."""
    rng = np.random.default_rng(3)
    picture = np.full((40, 48, 3), 90, dtype=np.uint8)
    picture[:, 24:] = 170
    picture += rng.integers(0, 9, picture.shape, dtype=np.uint8)
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    Image.fromarray(picture).save(tmp_path / "photo.png", exif=exif, icc_profile=b"p" * 128)
    return tmp_path / "photo.png"


def test_zero_edit_is_the_photograph(halves: Workspace, photo: Path, tmp_path: Path) -> None:
    editor = halves.invert(photo, plan=QUICK)
    assert np.array_equal(editor.picture(), np.asarray(Image.open(photo)))
    editor.set(left=1).set(left=0).save(tmp_path / "same.png")
    assert (tmp_path / "same.png").read_bytes() == photo.read_bytes()
    editor.save(tmp_path / "same.webp")
    assert Image.open(tmp_path / "same.webp").format == "WEBP"


def test_exif_entries_of_another_kind_than_they_say_are_left_out(
    photo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    camera, position = b"\x01\x0f\0\x02\0\0\0\x07\0\0\0&", b"\x01\x1f\0\x02\0\0\0\x07\0\0\0&"  # a rational, in letters
    exif = b"MM\0*\0\0\0\x08\0\x02" + camera + position + bytes(4) + b"camera\0"
    Image.open(photo).save(tmp_path / "odd.webp", exif=exif)
    read = read_photograph(tmp_path / "odd.webp")
    (found := Image.Exif()).load(read.exif)
    assert dict(found) == {0x010F: "camera"}
    assert "odd.webp has damaged Exif data: 0x11f left out" in caplog.text
    write_photograph(tmp_path / "out.jpg", read, 255 - read.picture, Claim("edited"))
    assert Image.open(tmp_path / "out.jpg").getexif()[0x010F] == "camera"


def test_a_tag_that_pillow_lists_and_does_not_find_is_left_out(monkeypatch: pytest.MonkeyPatch, photo: Path) -> None:
    """As of a TIFF in which a tag comes twice, with other numbers of values."""
    real = Image.Exif.__getitem__

    def found(self: Image.Exif, tag: int) -> object:
        if tag == 0x010F:
            raise KeyError(tag)
        return real(self, tag)

    monkeypatch.setattr(Image.Exif, "__getitem__", found)
    assert read_photograph(photo).exif == b""


def test_an_edit_changes_what_was_asked_and_nothing_outside(halves: Workspace, photo: Path, tmp_path: Path) -> None:
    editor = halves.invert(photo, plan=QUICK, box=(14, 10, 20)).set(left=1.5).lock("right_bright")
    editor.save(tmp_path / "edited.png")
    before, after = np.asarray(Image.open(photo)).astype(int), Image.open(tmp_path / "edited.png")
    change = np.asarray(after).astype(int) - before
    outside = np.ones((40, 48), dtype=bool)
    outside[10:30, 14:34] = False
    assert not change[outside].any()
    assert change[15:25, 18:23].mean() > 20
    assert abs(change[15:25, 26:30].mean()) < 6
    assert editor.changed()["left"] == pytest.approx(1.5, abs=0.3)
    assert after.getexif()[0x010F] == "a camera"
    assert after.info["icc_profile"] == b"p" * 128


def test_the_state_says_that_it_is_a_photograph(halves: Workspace, photo: Path) -> None:
    state = halves.invert(photo, plan=QUICK).set(left=1).state()
    assert state["photograph"] is True
    assert state["latent"] is None
    assert state["reached"] is None


def test_inversion_finds_the_picture_and_stops_when_asked(halves: Workspace, photo: Path) -> None:
    editor = halves.invert(photo, plan=QUICK)
    painted = editor.face().astype(float)
    assert abs(painted[:, : SIDE // 2].mean() - 94) < 6
    assert abs(painted[:, SIDE // 2 :].mean() - 174) < 6

    def stop(found: object) -> None:
        if found.step == 5:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    said: list[str] = []
    stopped = halves.invert(photo, plan=QUICK, watch=stop, note=said.append)
    assert "the square in the middle is taken" in said[0]  # nobody knows how this generator's pictures were cropped
    assert said[1:] == ["stopped at step 5 of 40: the best so far is kept"]
    assert not np.array_equal(stopped.inversion.latent, editor.inversion.latent)


@pytest.mark.parametrize("ending", [".safetensors", ".npz"])
def test_an_inversion_is_kept(halves: Workspace, photo: Path, tmp_path: Path, ending: str) -> None:
    editor = halves.invert(photo, plan=QUICK)
    file = editor.save_inversion(tmp_path / f"me{ending}")
    assert photo.read_bytes() not in file.read_bytes()
    again = halves.invert(photo, inversion=file)
    assert np.array_equal(again.set(left=1).picture(), editor.set(left=1).picture())
    other = tmp_path / "other.png"
    Image.open(photo).rotate(90).save(other)
    with pytest.raises(TlganError, match="another photograph"):
        halves.invert(other, inversion=file)


def test_damaged_inversions_are_refused(halves: Workspace, photo: Path, tmp_path: Path) -> None:
    good = halves.invert(photo, plan=QUICK).save_inversion(tmp_path / "me.safetensors").read_bytes()
    (tmp_path / "short.safetensors").write_bytes(good[:-8])
    np.savez(tmp_path / "pickle.npz", about=np.array([{}], dtype=object), latent=np.zeros(8))
    for name in ("short.safetensors", "pickle.npz", "absent.npz"):
        with pytest.raises(TlganError) as refusal:
            load_inversion(tmp_path / name)
        assert "\n" not in str(refusal.value)


class Exported:
    """The generator without its gradients."""

    differentiable = False

    def __init__(self, generator: object) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> object:
        return getattr(self._generator, name)


def test_black_boxes_are_searched(halves: Workspace) -> None:
    black = Exported(halves.generator)
    target = halves.generator.synthesize(halves.generator.sample(1, seed=4))
    found = list(Inverter(black, "z", halves.axes.metric).run(target, torch.ones(1, 1, SIDE, SIDE), QUICK))
    painted = halves.generator.synthesize(torch.from_numpy(found[-1].latent)[None])
    assert len(found) == QUICK.small
    assert float((painted - target).abs().max()) < 0.1


def test_the_search_says_what_it_needs(halves: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(TlganError, match=r"tlgan\[search\]"):
        next(
            Inverter(Exported(halves.generator), "z", halves.axes.metric).run(
                torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
            )
        )


def test_pasting_fades_out_and_replaces_fine_lines_only_where_changed() -> None:
    rng = np.random.default_rng(0)
    inverted = np.full((256, 256, 3), 120, dtype=np.uint8)
    crop = np.clip(inverted + rng.normal(0, 12, inverted.shape), 0, 255)
    edited = inverted.copy()
    edited[110:146, 110:146] += 60
    change = change_of(inverted, edited, crop)
    assert np.array_equal(change[:60], np.zeros_like(change[:60]))
    there = (crop + change)[120:136, 120:136]
    assert abs(there.mean() - 180) < 4
    assert there.std() < 0.5 * crop.std()  # the grain of what was there is gone with it
    angles = np.linspace(0, 2 * np.pi, 20)
    hull = 0.5 + 0.2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    mask = paste_mask(hull, change)
    assert mask[0].max() == mask[:, -1].max() == 0
    assert mask[128, 128] > 0.99
    square = similarity(np.array([60.0, 60.0]), 90.0, 0.3)
    photograph = rng.integers(0, 256, (120, 120, 3), dtype=np.uint8)
    pasted = paste(photograph, square, change, mask)
    reach, (rows, columns) = unwarp(mask[..., None], square, (120, 120))
    untouched = np.ones((120, 120), dtype=bool)
    untouched[rows, columns] = reach[..., 0] == 0
    assert np.array_equal(pasted[untouched], photograph[untouched])
    grey = np.repeat(photograph[..., :1], 3, axis=2)
    grey_pasted = paste(grey, square, change * [1.0, 0.2, 0.5], mask, grey=True)
    assert np.array_equal(grey_pasted[..., 0], grey_pasted[..., 2])


def test_a_jpeg_keeps_its_tables_and_only_a_change_is_claimed(tmp_path: Path) -> None:
    rng, claim = np.random.default_rng(1), Claim(made="edited", asked="smiling=+1")
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.jpg", quality=61)
    photograph = read_photograph(tmp_path / "a.jpg")
    write_photograph(tmp_path / "same.jpg", photograph, photograph.picture, claim)
    assert (tmp_path / "same.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    changed = photograph.picture.copy()
    changed[:8] = 0
    write_photograph(tmp_path / "new.jpg", photograph, changed, claim)
    new, old = (vars(Image.open(tmp_path / name))["quantization"] for name in ("new.jpg", "a.jpg"))
    assert new == old
    report, _ = verify_file(tmp_path / "new.jpg")
    assert report.holds
    assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / "new.jpg").read_bytes()
    with pytest.raises(TlganError, match="end the name"):
        write_photograph(tmp_path / "new.txt", photograph, changed, claim)
    assert not (tmp_path / "new.txt").exists()


def test_an_encoder_is_kept(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    inner, outer = torch.randn(4352, 3, generator=rng) * 0.01, torch.randn(3, 5, generator=rng)
    encoder = Encoder(inner, outer, torch.ones(5), "abc")
    encoder.save(tmp_path / "e.safetensors")
    again = load_encoder(tmp_path / "e.safetensors")
    pictures = torch.rand(2, 3, 200, 200, generator=rng) * 2 - 1
    found = encoder(pictures)
    assert again.generator == "abc"
    assert found.shape == (2, 5)
    assert torch.allclose(again(pictures), found, atol=0.02 * float(found.abs().max()))
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(TlganError, match="encoder"):
        load_encoder(tmp_path / "bad.safetensors")


@pytest.fixture
def run(halves: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    networks = halves_generator(), CombinedExtractor([HalvesExtractor()])
    monkeypatch.setattr(Workspace, "generator", networks[0])
    monkeypatch.setattr(Workspace, "extractor", networks[1])

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


def test_verbs(run, halves: Workspace, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(photo.read_bytes())
    (folder / "c.jpg").write_bytes(b"broken")
    me = tmp_path / "me.npz"
    code, _, err = run("invert", halves.path, photo, "-o", me, "--steps-small", 30)
    assert code == 0
    assert "agreement" in err  # said at the first use
    code, out, err = run(
        "edit", halves.path, "--photo", photo, "--inverted", me, "left=+1", "-o", tmp_path / "o.png", "--json"
    )
    assert code == 0
    assert "agreement" not in err
    assert json.loads(out)["moved"]["left"]["asked"] == 1
    code, _, err = run("edit", halves.path, "--photo", folder, "left=1", "--steps-small", 20, "-o", tmp_path / "out")
    assert code == 1
    assert "1 of 3 photographs" in err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    for arguments, words in (
        (("--photo", photo, "-o", photo), "the photograph itself"),
        (("--photo", photo, "--seed", 3), "more than one"),
        (("--photo", photo, "--box", "1,2"), "LEFT,TOP,SIDE"),
        (("--photo", folder, "-o", tmp_path / "one.png"), "name a folder"),
    ):
        code, _, err = run("edit", halves.path, "left=1", *arguments)
        assert code == 1
        assert words in err
    assert np.array_equal(np.asarray(Image.open(photo)), np.asarray(Image.open(io.BytesIO(photo.read_bytes()))))
