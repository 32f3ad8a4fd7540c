"""Strips, grids and films as files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tlgan.editing.film import enlarge, looped, tile, write_film
from tlgan.errors import TlganError


@pytest.fixture
def frames() -> np.ndarray:
    """Six frames uint8 [6, 32, 32, 3] from dark to bright."""
    return np.repeat(np.linspace(20, 230, 6, dtype=np.uint8), 32 * 32 * 3).reshape(6, 32, 32, 3)


def test_a_gif_loops_and_keeps_its_frames(tmp_path, frames):
    write_film(tmp_path / "film.gif", frames, fps=10)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 6  # type: ignore[attr-defined]
        assert film.info["loop"] == 0
        assert film.info["duration"] == 100
        film.seek(5)
        assert abs(np.asarray(film.convert("RGB"), dtype=float).mean() - 230) < 8


def test_an_mp4_can_be_read_back(tmp_path, frames):
    import av

    write_film(tmp_path / "film.mp4", frames, fps=25)
    with av.open(str(tmp_path / "film.mp4")) as film:
        read = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(read) == 6
    np.testing.assert_allclose([r.mean() for r in read], [f.mean() for f in frames], atol=6)


def test_odd_sides_fit_into_an_mp4(tmp_path, frames):
    import av

    write_film(tmp_path / "film.mp4", frames[:, :31, :29])
    with av.open(str(tmp_path / "film.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.height, stream.width) == (30, 28)


def test_other_endings_are_refused(tmp_path, frames):
    with pytest.raises(TlganError, match=r"\.gif or \.mp4"):
        write_film(tmp_path / "film.avi", frames)
    assert not list(tmp_path.iterdir())


def test_there_and_back_repeats_no_end(frames):
    loop = looped(frames)
    assert [int(f[0, 0, 0]) for f in loop] == [int(frames[k][0, 0, 0]) for k in (0, 1, 2, 3, 4, 5, 4, 3, 2, 1)]


def test_tile_puts_rows_under_each_other(frames):
    sheet = tile([frames[:2], frames[2:5]], gap=1)
    assert sheet.shape == (65, 98, 3)
    assert (sheet[0, 0] == frames[0, 0, 0]).all()
    assert (sheet[33, 33] == frames[3, 0, 0]).all()
    assert (sheet[0, 97] == 255).all()


def test_enlarging_leaves_large_pictures_alone(frames):
    assert enlarge(frames, 48).shape == (6, 48, 48, 3)
    assert enlarge(frames, 32) is frames
