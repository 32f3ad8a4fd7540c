"""Parts of samples: whole or absent, of one recipe, readable by anyone."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.worlds import HalvesExtractor, halves_generator
from tlgan.errors import TlganError
from tlgan.extractors.combined import CombinedExtractor
from tlgan.samples import Recipe, SampleStore, draw, paint_rows
from tlgan.samples.store import part_name, to_table


def recipe(**changes: object) -> Recipe:
    plain = Recipe(
        generator="g" * 64,
        space="z",
        latent_dim=8,
        seed=3,
        extractors=("halves",),
        features=("left", "right_bright", "noise"),
        thumbnail=16,
        part_rows=100,
    )
    return replace(plain, **changes)


def run(store: SampleStore, stop: int) -> int:
    extractor = CombinedExtractor([HalvesExtractor()])
    return draw(halves_generator(), extractor, store, stop=stop, enough=lambda *_: False)


def arrays(store: SampleStore, **bounds: int) -> tuple[np.ndarray, np.ndarray]:
    parts = list(store.read_arrays(**bounds))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def test_pandas_reads_a_part_as_it_is(tmp_path: Path) -> None:
    store = SampleStore(tmp_path, recipe())
    assert run(store, 150) == 150
    frame = pd.concat([pd.read_parquet(path) for path in store.parts()])
    assert list(frame["index"]) == list(range(150))
    assert frame["z"].iloc[0].shape == (8,)
    assert frame["z"].iloc[0].dtype == np.float32
    assert frame["thumbnail"].iloc[0][8:12] == b"WEBP"


def test_rows_do_not_depend_on_how_the_run_was_cut(tmp_path: Path) -> None:
    whole, cut = SampleStore(tmp_path / "whole", recipe()), SampleStore(tmp_path / "cut", recipe())
    run(whole, 350)
    run(cut, 150)  # leaves a part that is not full
    run(cut, 220)
    run(cut, 350)
    # a cut changes how many pictures are painted at once, and some processors then round the last bit otherwise
    for one, other in zip(arrays(whole), arrays(cut), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_enough_stops_after_the_part_that_said_so(tmp_path: Path) -> None:
    seen: list[int] = []

    def enough(latents: np.ndarray, features: np.ndarray) -> bool:
        seen.append(len(latents))
        return len(seen) == 2

    store = SampleStore(tmp_path, recipe())
    held = draw(halves_generator(), CombinedExtractor([HalvesExtractor()]), store, stop=1000, enough=enough)
    assert held == store.rows() == 200


class Counting(HalvesExtractor):
    """Counts the pictures it sees, and is interrupted at one of them."""

    def __init__(self, interrupted_after: int = 10**9) -> None:
        self.seen, self.left = 0, interrupted_after

    def extract(self, images):
        if self.seen >= self.left:
            raise KeyboardInterrupt
        self.seen += len(images)
        return super().extract(images)


def test_rows_are_drawn_and_judged_in_pieces_that_add_up_to_parts(tmp_path: Path) -> None:
    whole, pieces = SampleStore(tmp_path / "whole", recipe()), SampleStore(tmp_path / "pieces", recipe())
    run(whole, 230)
    seen: list[int] = []

    def enough(latents: np.ndarray, features: np.ndarray) -> bool:
        seen.append(len(latents))
        return sum(seen) >= 230

    draw(halves_generator(), CombinedExtractor([Counting()]), pieces, stop=1000, enough=enough, piece=30)
    assert seen == [30, 30, 30, 10, 30, 30, 30, 10, 30]
    assert [pieces.inspect(number)[1] for number in range(3)] == [100, 100, 30]
    np.testing.assert_array_equal(arrays(whole)[0], arrays(pieces)[0])
    np.testing.assert_allclose(arrays(whole)[1][:, :2], arrays(pieces)[1][:, :2], atol=1e-6)
    assert pd.read_parquet(pieces.parts()[1])["index"].tolist() == list(range(100, 200))


def test_an_interrupt_loses_no_piece_that_was_painted_and_none_is_painted_twice(tmp_path: Path) -> None:
    whole, cut = SampleStore(tmp_path / "whole", recipe()), SampleStore(tmp_path / "cut", recipe())
    run(whole, 150)
    first, second = Counting(interrupted_after=60), Counting()
    with pytest.raises(KeyboardInterrupt):
        draw(halves_generator(), CombinedExtractor([first]), cut, stop=150, enough=lambda *_: False, piece=20)
    assert cut.rows() == 60
    draw(halves_generator(), CombinedExtractor([second]), cut, stop=150, enough=lambda *_: False, piece=20)
    assert first.seen + second.seen == 150
    np.testing.assert_array_equal(arrays(whole)[0], arrays(cut)[0])
    np.testing.assert_allclose(arrays(whole)[1][:, :2], arrays(cut)[1][:, :2], atol=1e-6)


def test_a_part_that_takes_long_is_written_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, held = SampleStore(tmp_path, recipe()), []

    def enough(latents: np.ndarray, features: np.ndarray) -> bool:
        held.append(store.rows())
        return False

    options = {"stop": 100, "enough": enough, "piece": 20}
    draw(halves_generator(), CombinedExtractor([Counting()]), store, **options)
    assert set(held) <= {0, 100}
    (tmp_path / part_name(0)).unlink()
    held.clear()
    monkeypatch.setattr(sys.modules["tlgan.samples.draw"], "KEEP_SECONDS", 0.0)
    draw(halves_generator(), CombinedExtractor([Counting()]), store, **options)
    assert max(held) >= 60  # all but what is being written


def test_a_slice_reads_only_its_rows(tmp_path: Path) -> None:
    store = SampleStore(tmp_path, recipe())
    run(store, 300)
    latents, features = arrays(store, start=150, stop=260)
    np.testing.assert_array_equal(latents, arrays(store)[0][150:260])
    assert features.shape == (110, 3)


@pytest.mark.parametrize("change", [{"seed": 4}, {"generator": "h" * 64}, {"truncation": 0.7}])
def test_parts_of_another_recipe_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    run(SampleStore(tmp_path, recipe()), 100)
    with pytest.raises(TlganError, match=next(iter(change))):
        SampleStore(tmp_path, recipe(**change)).rows()


@pytest.mark.parametrize("damage", [b"", b"PAR1" + bytes(100) + b"PAR1", b"not parquet at all"])
def test_a_corrupt_part_is_named_and_kept(tmp_path: Path, damage: bytes) -> None:
    store = SampleStore(tmp_path, recipe())
    run(store, 300)
    broken = tmp_path / part_name(1)
    broken.write_bytes(damage)
    with pytest.raises(TlganError, match=r"part-00001\.parquet.*delete that file"):
        store.rows()
    assert broken.read_bytes() == damage


def test_a_part_cut_short_is_named(tmp_path: Path) -> None:
    store = SampleStore(tmp_path, recipe())
    run(store, 100)
    whole = (tmp_path / part_name(0)).read_bytes()
    (tmp_path / part_name(0)).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TlganError, match=r"part-00000\.parquet"):
        store.rows()


def test_a_deleted_part_alone_is_drawn_again(tmp_path: Path) -> None:
    store = SampleStore(tmp_path, recipe())
    run(store, 300)
    before = arrays(store)
    (tmp_path / part_name(1)).unlink()
    assert store.rows() == 100
    run(store, 300)
    for one, other in zip(before, arrays(store), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_full_disk_is_one_line_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SampleStore(tmp_path, recipe())
    run(store, 100)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TlganError, match="disk is full"):
        run(store, 200)
    assert [path.name for path in tmp_path.iterdir()] == [part_name(0)]


def test_leftovers_of_a_killed_writer_are_cleared(tmp_path: Path) -> None:
    leftover = tmp_path / f".{part_name(0).removesuffix('.parquet')}.999.tmp.parquet"
    leftover.write_bytes(b"half")
    run(SampleStore(tmp_path, recipe()), 100)
    assert not leftover.exists()


def test_nan_from_an_extractor_is_named(tmp_path: Path) -> None:
    class Broken(HalvesExtractor):
        def extract(self, images):
            values = super().extract(images)
            values[3, 2] = float("nan")
            return values

    with pytest.raises(TlganError, match="'noise'"):
        paint_rows(halves_generator(), CombinedExtractor([Broken()]), recipe(), 0, 10)


def test_nearest_finds_the_rows_it_is_asked_for(tmp_path: Path) -> None:
    store = SampleStore(tmp_path, recipe())
    run(store, 300)
    latents, features = arrays(store)
    found = store.nearest(lambda values: np.abs(values[:, 0] - 0.5), 5)
    expected = np.argsort(np.abs(features[:, 0] - 0.5), kind="stable")[:5]
    assert [index for index, _ in found] == list(expected)
    np.testing.assert_array_equal(found[0][1], latents[expected[0]])


def test_recipe_round_trip_and_forgery() -> None:
    plain = recipe(label=3)
    assert Recipe.from_json(plain.to_json()) == plain
    for forged in ("", "{}", "[1]", '{"generator": 1}'):
        with pytest.raises(TlganError, match="no readable recipe"):
            Recipe.from_json(forged)


def test_a_table_has_a_column_a_feature() -> None:
    table = to_table(
        recipe(), start=5, latents={"z": np.zeros((2, 8))}, features=np.ones((2, 3)), thumbnails=[b"", b""]
    )
    assert table.column_names == ["index", "z", "left", "right_bright", "noise", "thumbnail"]
    assert table["index"].to_pylist() == [5, 6]
