"""Faces found and aligned: scenes whose truth is known by construction, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tlgan import TlganError
from tlgan.photographs import place, read_photograph
from tlgan.photographs.alignment import celeba, ffhq
from tlgan.photographs.finding import choose_face
from tlgan.photographs.warping import corners, side_of, similarity, unwarp, warp

ASTRONAUT = Path(__file__).parent / "astronaut.jpg"  # NASA, public domain; from scikit-image's data


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return read_photograph(ASTRONAUT).picture


@pytest.mark.parametrize(("turn", "scale"), [(20.0, 1.0), (-35.0, 0.6), (90.0, 1.0), (180.0, 0.8), (-90.0, 1.4)])
def test_the_square_follows_the_face(astronaut: np.ndarray, turn: float, scale: float) -> None:
    truth = corners(ffhq(choose_face(astronaut)[0]))
    # a scene of 900 pixels with the photograph turned and scaled around its middle
    c, s = scale * np.cos(np.radians(turn)), scale * np.sin(np.radians(turn))
    forward = np.array([[c, -s], [s, c]])
    back = np.linalg.inv(forward)
    shift = 256 - back @ [450, 450]
    matrix = [*back[0], shift[0], *back[1], shift[1]]
    scene = Image.fromarray(astronaut).transform((900, 900), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    found = corners(ffhq(choose_face(np.asarray(scene))[0]))
    expected = (truth - 256) @ forward.T + 450
    side = np.hypot(*(expected[1] - expected[0]))
    assert np.hypot(*(found - expected).T).max() < 0.06 * side
    assert np.hypot(*(found - expected).T).mean() < 0.04 * side


def test_crops_are_what_the_data_sets_have(astronaut: np.ndarray) -> None:
    face, _ = choose_face(astronaut)
    for align, eyes, mouth in ((ffhq, 0.48, 0.71), (celeba, 83.2 / 178, 124.2 / 178)):
        square = align(face)
        inverse = np.linalg.inv(square[:, :2])
        inside = {name: (face.part(name) - square[:, 2]) @ inverse.T for name in ("right_eye", "left_eye", "mouth")}
        height = (inside["right_eye"].mean(axis=0) + inside["left_eye"].mean(axis=0))[1] / 2
        assert abs(height - eyes) < 0.03
        assert abs(inside["mouth"].mean(axis=0)[1] - mouth) < 0.04


def test_a_square_is_cut_and_laid_back(astronaut: np.ndarray) -> None:
    smooth = np.asarray(Image.fromarray(astronaut).resize((16, 16)).resize((200, 200), Image.Resampling.BICUBIC))
    square = similarity(np.array([90.0, 110.0]), 100.0, 0.4)
    laid, (rows, columns) = unwarp(warp(smooth, square, 256), square, smooth.shape[:2])
    inside = laid.sum(axis=-1) > 0
    assert abs(inside.sum() - 100**2) < 250
    assert np.abs(laid - smooth[rows, columns])[inside].mean() < 1.0


def test_beyond_the_border_stands_a_mirror_image() -> None:
    ramp = np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)
    cut = warp(ramp, similarity(np.array([10.0, 50.0]), 40.0, 0.0), 40)  # from column -10 to 30
    assert abs(cut[20, 10:].mean() - 14.5) < 1
    assert cut[20, 2, 0] > cut[20, 10, 0]  # rises again to the left of the border


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_turns_the_picture_upright(tmp_path: Path, astronaut: np.ndarray, orientation: int) -> None:
    stored = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(astronaut).transpose(stored).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_photograph(tmp_path / "turned.png").picture, astronaut)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _drawing() -> Image.Image:
    image = Image.new("RGB", (400, 400), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 200, 340, 380), outline="black", width=4)
    draw.line((60, 200, 200, 60, 340, 200), fill="black", width=4)
    return image


BAD = {
    "cmyk": (lambda a: _encoded(a.convert("CMYK"), "JPEG"), "CMYK pixels"),
    "animated": (lambda a: _encoded(a, "WEBP", save_all=True, append_images=[a.rotate(5)]), "holds 2 pictures"),
    "truncated": (lambda a: _encoded(a, "JPEG")[:9000], "expected a whole file"),
    "text": (lambda a: b"not a picture", "can't be read as a photograph"),
    "huge": (lambda a: _encoded(Image.new("1", (9_000, 9_000)), "PNG"), "81 million"),
    "16-bit": (lambda a: _encoded(Image.new("I;16", (64, 64)), "PNG"), "more than 8 bits"),
    "none": (lambda a: _encoded(_drawing(), "PNG"), "no face was found"),
    "tiny": (lambda a: _encoded(a.resize((110, 110)), "PNG"), "expected at least 32"),
    "forty": (lambda a: _encoded(_crowd(a), "PNG"), "40 faces were found"),
    "two": (lambda a: _encoded(_crowd(a, 2, 1), "PNG"), "2 faces were found and none stands out"),
}


def _crowd(astronaut: Image.Image, columns: int = 8, rows: int = 5) -> Image.Image:
    tile = astronaut.crop((130, 0, 330, 200)).resize((90, 90))
    crowd = Image.new("RGB", (90 * columns, 90 * rows))
    for number in range(columns * rows):
        crowd.paste(tile, (90 * (number % columns), 90 * (number // columns)))
    return crowd


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_worked_on_is_refused_in_one_line(astronaut: np.ndarray, case: str) -> None:
    make, expected = BAD[case]
    with pytest.raises(TlganError, match=expected) as refusal:
        place(read_photograph(make(Image.fromarray(astronaut))), "ffhq")
    assert "\n" not in str(refusal.value)


def test_the_largest_face_is_taken_and_told(astronaut: np.ndarray) -> None:
    scene = np.zeros((512, 1024, 3), dtype=np.uint8)
    scene[:, :512] = astronaut
    scene[100:356, 700:956] = np.asarray(Image.fromarray(astronaut).resize((256, 256)))
    said: list[str] = []
    square, hull = place(read_photograph(_encoded(Image.fromarray(scene), "PNG")), "ffhq", note=said.append)
    assert hull is not None
    assert corners(square)[:, 0].max() < 512
    assert len(said) == 1
    assert said[0].startswith("2 faces were found: the largest is taken")


def test_faces_are_counted_from_the_left(astronaut: np.ndarray) -> None:
    pair = np.asarray(_crowd(Image.fromarray(astronaut), 2, 1))
    first, count = choose_face(pair, 1)
    second, _ = choose_face(pair, 2)
    assert count == 2
    assert second.box[0] - first.box[0] == pytest.approx(90, abs=5)
    with pytest.raises(TlganError, match="expected 1 to 2"):
        choose_face(pair, 3)


def test_other_subjects_take_a_square(astronaut: np.ndarray) -> None:
    photograph = read_photograph(ASTRONAUT)
    square, hull = place(photograph)
    assert hull is None
    assert side_of(square) == pytest.approx(512)
    square, _ = place(photograph, "ffhq", box=(10, 20, 100))
    assert corners(square)[0] == pytest.approx([10, 20])
    with pytest.raises(TlganError, match="outside"):
        place(photograph, box=(600, 0, 100))
