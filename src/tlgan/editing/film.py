"""Several pictures as one: a strip, a grid, an animation."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.files import replacing
from tlgan.io.pixels import scaled
from tlgan.provenance import Claim, mark

#: Sides to which smaller pictures are enlarged: in strips, and in the film of a walk between two faces.
MIN_SIDE, WALK_SIDE = 128, 384


def enlarge(pictures: np.ndarray, side: int = MIN_SIDE) -> np.ndarray:
    """Pictures uint8 [n, H, W, 3] enlarged to `side` pixels on the larger side (Lanczos); larger ones stay."""
    if max(pictures.shape[1:3]) >= side:
        return pictures
    return np.stack([scaled(picture, side) for picture in pictures])


def tile(rows: Sequence[np.ndarray], *, gap: int = 2) -> np.ndarray:
    """Rows of pictures, each uint8 [n, H, W, 3], as one picture uint8 [H', W', 3] on white."""
    columns = max(len(row) for row in rows)
    height, width = rows[0].shape[1:3]
    sheet = np.full((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            y, x = r * (height + gap), c * (width + gap)
            sheet[y : y + height, x : x + width] = picture
    return sheet


def looped(pictures: np.ndarray) -> np.ndarray:
    """A loop: the frames, then all but the ends in reverse."""
    return np.concatenate([pictures, pictures[-2:0:-1]])


def walk_places(count: int) -> list[float]:
    """`count` places in [0, 1] that go from 0 to 1 and back, slow at both ends, so that the film loops."""
    turn = np.arange(count) / count
    return list((0.5 - 0.5 * np.cos(2 * np.pi * turn)).tolist())


def walk_film(pictures: np.ndarray, kind: str, fps: int, claim: Claim | None = None) -> bytes:
    """Frames uint8 [n, H, W, 3] of a walk, enlarged, as the bytes of a GIF or MP4 that carries `claim`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"walk.{kind}"
        write_film(path, enlarge(pictures, WALK_SIDE), fps, claim)
        return path.read_bytes()


def write_film(path: str | Path, pictures: np.ndarray, fps: int = 25, claim: Claim | None = None) -> None:
    """Write frames uint8 [n, H, W, 3] as GIF or MP4 (H.264), by the ending of `path`, with what is claimed of them.

    Raises TlganError for another ending, or where the file can't be written.
    """
    path = Path(path)
    writers = {".gif": _write_gif, ".mp4": _write_mp4}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise TlganError(f"a film can't be written as {path.name!r}: end the name in .gif or .mp4")
    with replacing(path) as temporary:
        writer(temporary, pictures, fps)
        temporary.write_bytes(mark(temporary.read_bytes(), claim or Claim()))


def _write_gif(path: Path, pictures: np.ndarray, fps: int) -> None:
    from PIL import Image

    # One palette for all frames: a palette a frame makes still regions flicker.
    sheet = Image.fromarray(pictures[:: max(1, len(pictures) // 8)].reshape(-1, *pictures.shape[2:]))
    palette = sheet.quantize(256, method=Image.Quantize.MEDIANCUT)
    frames = [Image.fromarray(p).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0, optimize=False)


def _write_mp4(path: Path, pictures: np.ndarray, fps: int) -> None:
    import av

    height, width = (side - side % 2 for side in pictures.shape[1:3])  # yuv420p halves the colour planes
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
