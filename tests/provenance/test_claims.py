"""Every picture says what it is: claims are written, found by other programs, and one flipped byte breaks them."""

from __future__ import annotations

import ast
import io
import json
import random
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.independent import EXIFTOOL, by_exiftool
from tlgan.cli import main
from tlgan.editing.film import write_film
from tlgan.editing.picture_file import write_picture
from tlgan.editing.state import find_state, png_with_state
from tlgan.errors import TlganError
from tlgan.provenance import Claim, encode, mark, verify
from tlgan.provenance.containers import BadContainerError, cut
from tlgan.provenance.xmp import BadPacketError, read_packet, write_packet
from tlgan.workspace import Workspace

SOURCE = Path(__file__).parents[2] / "src" / "tlgan"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
CLAIM = Claim(
    generator="faces", generator_sha256="ab" * 32, extractors=(("celeba40", "cd" * 32),), asked='smiling=+2 "<&>" é'
)
EDITED = Claim("edited", generator="faces", asked="young=-1", parent="ef" * 32)
PICTURE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def _film(folder: Path, name: str) -> bytes:
    frames = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    write_film(folder / name, frames, 5, CLAIM)
    return (folder / name).read_bytes()


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]


def _missed(data: bytes, count: int = 1500) -> list[int]:
    """Places of a file where a flipped bit leaves the verdict as good as it was."""
    places = random.Random(0).sample(range(len(data)), min(count, len(data)))
    return [at for at in places if verify(_flipped(data, at)).verdict in ("intact", "signed")]


@pytest.mark.parametrize("format", FORMATS)
def test_a_claim_is_written_and_holds(format: str) -> None:
    report = verify(encode(PICTURE, CLAIM, format))
    assert report.verdict == "intact"
    assert report.source == "made by a trained generative model"
    assert report.claim["Iptc4xmpExt:AISystemUsed"] == "faces"
    assert report.claim["tlgan:Extractors"] == "celeba40 " + "cd" * 32
    assert report.claim["tlgan:Asked"] == CLAIM.asked
    edited = verify(encode(PICTURE, EDITED, format))
    assert edited.source.startswith("a photograph")
    assert edited.claim["tlgan:Parent"] == "sha256:" + "ef" * 32


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_the_picture_stays_what_it_was(format: str, mode: str) -> None:
    plain = io.BytesIO()
    image = Image.fromarray(PICTURE).convert("RGB" if format == "JPEG" and mode == "RGBA" else mode)
    image.save(plain, format, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    marked = mark(plain.getvalue(), CLAIM)
    before, after = (np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")) for data in (plain.getvalue(), marked))
    assert np.array_equal(before, after)
    assert verify(marked).verdict == "intact"
    assert mark(marked, CLAIM) == marked  # the earlier claim is replaced
    assert verify(mark(marked, EDITED)).source.startswith("a photograph")


@pytest.mark.parametrize("format", FORMATS)
def test_one_flipped_bit_is_found(format: str) -> None:
    assert _missed(encode(PICTURE, CLAIM, format)) == []


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_exif_that_was_there_may_go_and_may_not_change(format: str) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "camera", 6
    Image.fromarray(PICTURE).save(plain := io.BytesIO(), format, exif=exif, icc_profile=b"p" * 40)
    data = mark(plain.getvalue(), EDITED)
    assert _missed(data) == []
    without = b"".join(piece.raw for piece in cut(data) if piece.role != "exif")
    if format != "WEBP":  # whose head says how long it is
        assert verify(without).verdict == "intact"


@pytest.mark.parametrize("name", ["walk.gif", "walk.mp4"])
def test_films_say_what_they_are(tmp_path: Path, name: str) -> None:
    data = _film(tmp_path, name)
    assert verify(data).verdict == "intact"
    assert _missed(data, 300) == []
    with av.open(io.BytesIO(data)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 4


def test_a_film_stays_intact_when_words_are_put_before_its_media(tmp_path: Path) -> None:
    """As C2PA does: offsets in `moov` move, the film does not."""
    data = _film(tmp_path, "walk.mp4")
    pieces = [piece.raw for piece in cut(data)]
    free = b"\0\0\0\x20free" + bytes(24)
    moved = bytearray(pieces[0] + free + b"".join(pieces[1:]))
    for name in (b"stco",):
        at = moved.index(name) + 4
        for k in range(int.from_bytes(moved[at + 4 : at + 8])):
            place = at + 8 + 4 * k
            moved[place : place + 4] = (int.from_bytes(moved[place : place + 4]) + len(free)).to_bytes(4)
    assert verify(bytes(moved)).verdict == "intact"


def test_another_picture_under_the_claim_is_found() -> None:
    mine, other = (cut(encode(picture, CLAIM)) for picture in (PICTURE, 255 - PICTURE))
    swapped = b"".join(a.raw if a.role == "xmp" else b.raw for a, b in zip(mine, other, strict=True))
    assert verify(swapped).problems == ("the picture is not the one that the claim was written for",)
    text = b"".join(piece.raw for piece in mine)
    words = text.replace(b"smiling=+2", b"smiling=-2")
    at = words.index(b"iTXt")
    size = int.from_bytes(words[at - 4 : at])
    words = words[: at + 4 + size] + zlib.crc32(words[at : at + 4 + size]).to_bytes(4) + words[at + 8 + size :]
    assert verify(words).problems == ("its claim was changed after it was written",)


def test_a_copy_without_its_state_still_holds() -> None:
    data = png_with_state(PICTURE, {"version": 2, "seed": 7}, CLAIM)
    assert find_state(data) == {"version": 2, "seed": 7}
    without = b"".join(piece.raw for piece in cut(data) if not piece.raw[8:].startswith(b"tlgan\0"))
    assert find_state(without) is None
    assert verify(data).verdict == verify(without).verdict == "intact"


def test_pictures_from_before_there_were_claims_are_read() -> None:
    from PIL import PngImagePlugin

    chunks, old = PngImagePlugin.PngInfo(), io.BytesIO()
    chunks.add_itxt("tlgan", json.dumps({"version": 1}), zip=True)
    Image.fromarray(PICTURE).save(old, "PNG", pnginfo=chunks)
    assert find_state(old.getvalue()) == {"version": 1}
    assert verify(old.getvalue()).verdict == "none"


def test_formats_that_cannot_carry_a_claim_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TlganError, match="could not say what it is"):
        write_picture(tmp_path / "a.bmp", PICTURE)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TlganError, match="only PNG"):
        mark(b"BM" + bytes(100), CLAIM)


@pytest.mark.skipif(not EXIFTOOL, reason="exiftool is not installed")
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.mp4"])
def test_exiftool_reads_what_a_picture_says(tmp_path: Path, name: str) -> None:
    if name.endswith((".gif", ".mp4")):
        _film(tmp_path, name)
    else:
        write_picture(tmp_path / name, PICTURE, claim=CLAIM)
    words = by_exiftool((tmp_path / name).read_bytes())
    assert words["DigitalSourceType"] == CLAIM.source_type
    assert words["Asked"] == CLAIM.asked


# -- what others wrote -------------------------------------------------------------------------------------------------

_FOREIGN = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><i:DigitalSourceType>%s</i:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def _with(packet: bytes, format: str = "WEBP") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, format, xmp=packet)
    return buffer.getvalue()


def test_other_peoples_words_are_told_and_not_believed() -> None:
    packet = (_FOREIGN % "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture").encode()
    report = verify(_with(packet))
    assert (report.verdict, report.source) == ("unchecked", "photographed")
    assert verify(_with((_FOREIGN % "martian").encode())).source == "of an unknown kind (martian)"
    tiff = b"II*\0" + bytes(100) + packet + bytes(9)  # a format that is not cut: by the packet's markers
    assert verify(tiff).source == "photographed"
    assert verify(_with(b"")).verdict == "none"


_LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + k, b"&%c;" % (97 + k) * 10) for k in range(9)
)


@pytest.mark.parametrize(
    ("packet", "line"),
    [
        (_LAUGHS + b"]><x:xmpmeta xmlns:x='adobe:ns:meta/'>&j;</x:xmpmeta>", "document type"),
        (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "document type"),
        (b"<a>" * 100_000, "nested too deeply"),
        (b"<a>" + b" " * 2**20 + b"</a>", "more than"),
        (b"<a><b></a>", "no XML"),
        (b"\xff\xfe\0\0", "no XML"),
        (b"<a b='&undefined;'/>", "no XML"),
    ],
)
def test_hostile_xmp_gets_one_line(packet: bytes, line: str) -> None:
    with pytest.raises(BadPacketError, match=line):
        read_packet(packet)
    report = verify(_with(packet))
    assert report.verdict == "broken"
    assert len(report.problems) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xffIHDR",
        b"\xff\xd8\xff\xe1\0\0",
        b"\xff\xd8\xff\xe1\xff\xff",
        b"RIFF\x10\0\0\0WEBPVP8X\xff\xff\xff\xff",
        b"GIF89a" + bytes(4) + b"\xff\0\0",
        b"GIF89a" + bytes(7) + b"\x21\xfe\0" * 300_000 + b";",
        b"\0\0\0\x08ftyp" + b"\0\0\0\x08free" * 300_000,
        b"\0\0\0\x08ftyp\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\x08ftyp" + b"".join((8 * k).to_bytes(4) + b"moov" for k in range(3000, 0, -1)),
    ],
)
def test_malformed_files_get_one_line(data: bytes) -> None:
    report = verify(data)
    if report.verdict == "none":  # whole boxes of boxes: a film without media is none of our business
        assert data[4:8] == b"ftyp"
        return
    assert report.verdict == "broken"
    assert len(report.problems) == 1
    with pytest.raises(TlganError, match="can't be marked"):
        mark(data, CLAIM)


@given(st.sampled_from(FORMATS), st.integers(0, 4000), st.binary(max_size=40), st.integers(0, 60))
def test_damaged_files_never_raise(format: str, at: int, bytes_: bytes, gone: int) -> None:
    data = encode(PICTURE, CLAIM, format)
    at %= len(data)
    damaged = data[:at] + bytes_ + data[at + gone :]
    assert verify(damaged).verdict != "intact" or damaged == data


@given(st.dictionaries(st.sampled_from(["tlgan:Asked", "xmp:CreatorTool"]), st.text(min_size=1)))
def test_any_text_can_be_claimed(fields: dict[str, str]) -> None:
    found = read_packet(write_packet(fields))
    for name, text in fields.items():
        plain = text.encode("utf-8", "replace").decode()
        assert len(found.get(name, "")) == len(text) or not plain.isprintable()


def test_two_packets_are_refused() -> None:
    pieces = cut(encode(PICTURE, CLAIM, "JPEG"))
    twice = b"".join(piece.raw * (2 if piece.role == "xmp" else 1) for piece in pieces)
    assert "two XMP packets" in verify(twice).problems[0]


def test_a_claim_too_long_for_a_jpeg_is_cut(tmp_path: Path) -> None:
    report = verify(encode(PICTURE, Claim(asked="&" * 100_000), "JPEG"))
    assert report.verdict == "intact"
    with pytest.raises(BadContainerError):
        cut(b"not a picture")


# -- the ways out ------------------------------------------------------------------------------------------------------

#: Files that encode pictures without a claim, and why.
UNMARKED = {
    "provenance/marking.py": "writes the claim",
    "samples/draw.py": "thumbnails inside the sample store",
    "web/server/wire.py": "frames of the studio, painted on a canvas; what can be kept is marked there",
    "editing/film.py": "frames of a film, which is marked as a whole",
}


def test_whatever_encodes_pictures_marks_them() -> None:
    """Pillow's `save` with a format, or on an image, is found by its arguments; PyAV by its `open` for writing."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            words = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
            saves = node.func.attr == "save" and (
                {"PNG", "JPEG", "WEBP", "GIF"} & set(map(str, words))
                or {"save_all", "pnginfo", "optimize"} & {k.arg for k in node.keywords}
                or "Image.fromarray" in ast.unparse(node.func)
            )
            if saves or (ast.unparse(node.func) == "av.open" and "w" in words):
                found.add(path.relative_to(SOURCE).as_posix())
    assert found - set(UNMARKED) == set()


def test_python_and_the_command_line_save_marked_pictures(
    halves: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    editor = halves.face(seed=3).set(left=1.5).lock("right_bright")
    for name in ("a.png", "a.jpg", "a.webp"):
        editor.save(tmp_path / name)
    editor.save_strip(tmp_path / "strip.png", ["left"], 3)
    editor.save_film(tmp_path / "film.gif", "left", seconds=0.2)
    editor.save_film(tmp_path / "film.mp4", "left", seconds=0.2)
    files = sorted(map(str, tmp_path.iterdir()))
    with pytest.raises(SystemExit) as ended:
        main(["verify", *files, "--json"])
    assert ended.value.code == 0
    results = json.loads(capsys.readouterr().out)
    assert [result["verdict"] for result in results] == ["intact"] * 6
    claims = {Path(result["file"]).name: result["claim"] for result in results}
    assert claims["a.png"]["tlgan:Asked"] == "left=+1.5 --lock right_bright"
    assert claims["film.gif"]["tlgan:Asked"].startswith("left=-3..+3")
    assert {claim["Iptc4xmpExt:AISystemVersionUsed"] for claim in claims.values()} == {halves.axes.generator}


def test_verify_fails_where_a_claim_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = encode(PICTURE, CLAIM)
    for name, content in {"good": data, "bad": _flipped(data, 100), "none": _with(b""), "no": b"hello"}.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    codes = {}
    for name in ("good", "bad", "none", "no", "missing"):
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(tmp_path / f"{name}.png")])
        codes[name] = ended.value.code
    assert codes == {"good": 0, "bad": 1, "none": 1, "no": 1, "missing": 1}
    told = capsys.readouterr().out
    assert "anybody could have written it" in told
    assert "BROKEN" in told
    assert "checksum is wrong" in told


def test_verify_brings_the_face_back(halves: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tlgan.workspace
    from tlgan.cli.provenance import _face

    halves.face(seed=3).set(left=1.5).save(tmp_path / "a.png")
    monkeypatch.setattr(tlgan.workspace, "open_workspace", lambda *_, **__: halves)
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "a.png"), "--workspace", str(halves.path), "-o", str(tmp_path / "again.png")])
    assert ended.value.code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    other = find_state((tmp_path / "a.png").read_bytes())
    swapped, foreign = tmp_path / "swapped.png", tmp_path / "foreign.png"
    swapped.write_bytes(png_with_state(PICTURE[:16, :16], other or {}, CLAIM))  # another face's state in this picture
    face = _face(swapped, swapped.read_bytes(), halves, None)
    assert face is not None
    assert face["levels_off"] > 20
    foreign.write_bytes(png_with_state(PICTURE, {**(other or {}), "generator": "0" * 64}, CLAIM))
    face = _face(foreign, foreign.read_bytes(), halves, None)
    assert face is not None
    assert "another generator" in face["words"]
    with pytest.raises(TlganError, match="another generator"):
        _face(foreign, foreign.read_bytes(), halves, tmp_path / "b.png")
