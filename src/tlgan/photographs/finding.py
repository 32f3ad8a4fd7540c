"""Where the faces in a photograph are, and the points on them from which crops and masks follow.

YuNet (Wu et al., 2023) finds faces of about 10 to 300 pixels in a picture of 640; a photograph is looked at in that
size, turned by quarters where no face is surely upright, and larger where nothing was found. The face mesh (Kartynnik et al., 2019)
then places landmarks on a square cut around each face, twice: the second square follows from the first landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tlgan.errors import TlganError

from .networks import load_network
from .warping import similarity, warp

#: Longest side at which faces are looked for, pixels; the second where the first shows none.
SIDES = (640, 1280)
#: A face is told from none at this score; overlapping boxes of more than this share are one face.
SCORE, OVERLAP = 0.6, 0.3
#: A face that stands on its head is found too, less surely than the same one upright (.75 to .91 and .92 to .95 on six
#: faces): under this score all quarter turns are looked at, and the surest is taken.
UPRIGHT = 0.92
#: Below this side in pixels a face holds too little to be inverted.
SMALLEST = 32
#: More faces than this are no portrait.
MOST = 20
#: A face stands out where its box is so many times as large as the next one's.
STANDS_OUT = 2.0
_STRIDES = (8, 16, 32)
_ROOM = 1.5  # side of the square that the mesh looks at, in sides of the face


@dataclass(frozen=True, eq=False)
class Face:
    """``box`` [4]: left, top, right, bottom in pixels of the upright photograph; ``points`` [n, 2] the landmarks by
    ``parts``, in pixels; ``score`` in [0, 1]; "right" and "left" are the person's own."""

    box: np.ndarray
    points: np.ndarray
    parts: dict[str, slice]
    score: float

    @property
    def size(self) -> float:
        """Side of the face in pixels: the distance of a square of the same area as its box."""
        return float(np.sqrt(np.prod(self.box[2:] - self.box[:2])))

    def part(self, name: str) -> np.ndarray:
        """The landmarks "right_eye", "left_eye", "mouth" (its two corners), "oval" or "inner": [k, 2]."""
        return self.points[self.parts[name]]


def find_faces(picture: np.ndarray) -> list[Face]:
    """Faces in a picture uint8 [H, W, 3], from left to right; none where there are none."""
    best: tuple[float, list[Face]] = (0.0, [])
    for side in SIDES if max(picture.shape[:2]) > SIDES[0] else SIDES[:1]:
        for turns in (0, 1, 3, 2):
            turned = np.ascontiguousarray(np.rot90(picture, turns))
            found = [_with_landmarks(turned, *each) for each in _boxes(turned, side)]
            faces = [face for face in found if face is not None]
            sure = max((face.score for face in faces), default=0.0)
            if sure > best[0]:
                best = sure, [_turned_back(face, turns, turned.shape[:2]) for face in faces]
            if best[0] > UPRIGHT:
                break
        if best[1]:
            break
    return sorted(best[1], key=lambda face: float(face.box[0] + face.box[2]))


def choose_face(picture: np.ndarray, wanted: int | None = None) -> tuple[Face, int]:
    """The face to work on and how many there are; ``wanted`` counts from 1, from left to right.

    Without it the only face is taken, or one that stands out by its size. Raises TlganError, with what is missing,
    where there is none, where none stands out, and where it is too small.
    """
    faces = find_faces(picture)
    if not faces:
        height, width = picture.shape[:2]
        raise TlganError(
            f"no face was found in this picture of {width} x {height} pixels: expected a photograph that shows both eyes "
            "and the mouth of a person; for other subjects give the square with --box LEFT,TOP,SIDE"
        )
    if len(faces) > MOST and wanted is None:
        raise TlganError(f"{len(faces)} faces were found: say which with --face 1 to {len(faces)}, from left to right")
    if wanted is not None and not 1 <= wanted <= len(faces):
        raise TlganError(f"face {wanted} was asked for, but {len(faces)} were found: expected 1 to {len(faces)}")
    largest = standing_out(faces)
    if wanted is None and largest is None:
        sizes = ", ".join(f"{number}: {face.size:.0f} px" for number, face in enumerate(faces, 1))
        raise TlganError(
            f"{len(faces)} faces were found and none stands out ({sizes}): say which with --face, from left to right"
        )
    face = largest if wanted is None else faces[wanted - 1]
    assert face is not None
    if face.size < SMALLEST:
        raise TlganError(
            f"the face has {face.size:.0f} pixels a side: expected at least {SMALLEST}; take a larger picture of it"
        )
    return face, len(faces)


def standing_out(faces: list[Face]) -> Face | None:
    """The only face, or the one that is so much larger than every other that it is meant; else None."""
    largest = sorted(faces, key=lambda face: -face.size)
    if not largest or (len(faces) > 1 and largest[0].size < np.sqrt(STANDS_OUT) * largest[1].size):
        return None
    return largest[0]


@torch.inference_mode()
def _boxes(picture: np.ndarray, side: int) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """(box [4], points [5, 2], score) of faces, the surest first, in pixels of the picture."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    small = _shrunk(picture, scale)
    rows, columns = (-(-length // 32) * 32 for length in small.shape[:2])
    padded = np.zeros((rows, columns, 3), dtype=np.float32)
    padded[: small.shape[0], : small.shape[1]] = small[..., ::-1]  # the network learned from blue, green, red
    network, _ = load_network("finder")
    outputs = network(torch.from_numpy(padded).permute(2, 0, 1)[None])
    found = []
    for stride, (cls, obj, box, points) in zip(_STRIDES, zip(*[iter(outputs)] * 4, strict=True), strict=True):
        score = (cls.sigmoid() * obj.sigmoid()).sqrt()[0, 0]
        for row, column in (score > SCORE).nonzero().tolist():
            place = np.array([column, row], dtype=np.float64)
            values = box[0, :, row, column].numpy().astype(np.float64)
            centre, extent = (place + values[:2]) * stride, np.exp(values[2:]) * stride
            five = (place + points[0, :, row, column].numpy().reshape(5, 2)) * stride
            corners = np.concatenate([centre - extent / 2, centre + extent / 2])
            found.append((corners / scale, five / scale, float(score[row, column])))
    kept: list[tuple[np.ndarray, np.ndarray, float]] = []
    for each in sorted(found, key=lambda face: -face[2]):
        if all(_overlap(each[0], other[0]) < OVERLAP for other in kept):
            kept.append(each)
    return kept


def _with_landmarks(picture: np.ndarray, box: np.ndarray, five: np.ndarray, score: float) -> Face | None:
    """The face with the mesh's landmarks; None where the mesh sees no face there."""
    network, about = load_network("landmarks")
    side = about["side"]
    eyes, mouth = five[:2], five[3:].mean(axis=0)
    down = mouth - eyes.mean(axis=0)
    if np.hypot(*down) < 1e-3:
        return None
    middle, extent = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    points = np.empty((0, 2))
    for attempt in range(2):
        # the square's own x axis: from eye to eye first, then between the eyes' landmarks
        across = eyes[1] - eyes[0]
        turn = float(np.arctan2(across[1], across[0]))
        square = similarity(middle, _ROOM * extent, turn)
        image = torch.from_numpy(warp(picture, square, side)).permute(2, 0, 1)[None] / 255
        flat, sure = sorted(network(image), key=lambda output: -output.numel())
        if float(sure.sigmoid()) < 0.5:
            return None
        inside = flat.reshape(-1, 2).double().numpy() / side
        points = inside @ square[:, :2].T + square[:, 2]
        if attempt == 0:
            parts = _parts(about["parts"])
            eyes = np.stack([points[parts[name]].mean(axis=0) for name in ("right_eye", "left_eye")])
            turned = inside[parts["oval"]]
            low, high = turned.min(axis=0), turned.max(axis=0)
            middle = square[:, :2] @ ((low + high) / 2) + square[:, 2]
            extent = float((high - low).max()) * _ROOM * extent
    oval = points[_parts(about["parts"])["oval"]]
    return Face(np.concatenate([oval.min(axis=0), oval.max(axis=0)]), points, _parts(about["parts"]), score)


def _parts(counts: dict[str, int]) -> dict[str, slice]:
    ends = np.cumsum(list(counts.values())).tolist()
    return {name: slice(end - count, end) for (name, count), end in zip(counts.items(), ends, strict=True)}


def _turned_back(face: Face, turns: int, shape: tuple[int, int]) -> Face:
    """A face found in a picture of `shape` that was turned by quarters counterclockwise, in the picture as it was."""
    points, (height, width) = face.points, shape
    for _ in range(turns):  # each undoes one counterclockwise quarter
        points = np.stack([height - points[:, 1], points[:, 0]], axis=1)
        height, width = width, height
    oval = points[face.parts["oval"]]
    return Face(np.concatenate([oval.min(axis=0), oval.max(axis=0)]), points, face.parts, face.score)


def _shrunk(picture: np.ndarray, scale: float) -> np.ndarray:
    from PIL import Image

    if scale == 1.0:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    inner = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner
    return float(inner / max(union, 1e-9))
