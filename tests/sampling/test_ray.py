"""The same rows and axes by Ray's workers, whatever happens to them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tlgan
from tests import worlds
from tlgan.errors import TlganError
from tlgan.extractors.combined import CombinedExtractor
from tlgan.samples import SampleStore
from tlgan.samples.cluster import Ray
from tlgan.samples.draw import PartJob
from tlgan.samples.engines import Job
from tlgan.samples.store import ahead_name, part_name
from tlgan.workspace import Workspace
from tlgan.workspace.discover import discover

pytest.importorskip("ray", reason="Ray is not installed (pip install 'tlgan[ray]')")
from tests.sampling.ray_world import Deadly, small_ray


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the driver stands in."""
    return tmp_path_factory.mktemp("stranger")


@pytest.fixture(scope="module")
def ray(stranger: Path) -> Iterator[Any]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with contextlib.chdir(stranger), small_ray(cpus=4) as started:
        yield started
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def painter(ray: Any) -> Iterator[Ray]:
    """Two workers for all tests: to start one takes seconds."""
    with Ray(workers=2, threads=1) as two:
        yield two


@pytest.fixture(scope="module")
def local(ray: Any, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return made(tmp_path_factory.mktemp("local") / "ws", "local")


def made(path: Path, painter: Any, **given: Any) -> Workspace:
    """A workspace of six parts."""
    said = given.pop("progress", None)
    return discover(path, worlds.halves_settings(max_samples=6000), sure=1.0, engine=painter, progress=said,
                    **(worlds.halves_networks() | given))  # fmt: skip


def same(one: Workspace, other: Workspace) -> bool:
    """Whether parts and axes are equal bit for bit."""
    parts = zip(one.samples.parts(), other.samples.parts(), strict=True)
    bits = [(a.path if hasattr(a, "path") else a).read_bytes() == b.read_bytes() for a, b in parts]
    mine, theirs = one.axes, other.axes
    numbers = ("directions", "intercepts", "mean", "sd", "quantiles", "r2", "agreement", "correlation", "auc")
    return all(bits) and all(np.array_equal(getattr(mine, n), getattr(theirs, n), equal_nan=True) for n in numbers)


def test_parts_and_axes_are_the_same_bit_for_bit(painter: Ray, local: Workspace, tmp_path: Path) -> None:
    assert same(local, made(tmp_path / "two", painter))
    # Nothing is left of parts ahead but, of a worker that was ended while it wrote, a temporary that the next run sweeps.
    names = {path.name for path in (tmp_path / "two" / "samples").iterdir() if not path.name.startswith(".")}
    assert names == {part_name(number) for number in range(6)}
    with Ray(workers=1, threads=1) as one:
        assert same(local, made(tmp_path / "one", one))


def test_the_python_of_the_page_on_clusters_runs(ray: Any, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    shutil.copy(Path(__file__).parents[1] / "checkpoints" / "sg2_64.pkl", tmp_path / "network.pkl")
    here = (
        ("HOST:6379", ray.get_runtime_context().gcs_address),
        ("workers=50", "workers=2"),
        ('"/shared/faces", "network.pkl"', f"{str(tmp_path / 'faces')!r}, {str(tmp_path / 'network.pkl')!r}"),
        ("engine=engine", 'engine=engine, extractors=["colour"], max_samples=200'),
    )
    for theirs, ours in here:
        assert theirs in block
        block = block.replace(theirs, ours)
    exec(block, {})
    assert tlgan.open(tmp_path / "faces").axes.samples == 200


def test_a_worker_that_is_killed_loses_the_part_in_hand_alone(painter: Ray, local: Workspace, tmp_path: Path) -> None:
    said: list[str] = []
    found = made(tmp_path / "ws", painter, loaded={"halves": Deadly(tmp_path, calls=(20,))}, progress=said.append)
    assert same(local, found)
    assert (tmp_path / "died-20").exists()
    assert sum("was lost" in line for line in said) == 1


def test_a_driver_that_is_cut_off_goes_on_with_parts_that_were_written_ahead(
    painter: Ray, local: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = SampleStore.take_in

    def cut_off(store: SampleStore, number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt
        taken(store, number)

    monkeypatch.setattr(SampleStore, "take_in", cut_off)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "ws", painter)
    monkeypatch.setattr(SampleStore, "take_in", taken)
    ahead = tmp_path / "ws" / "samples" / ahead_name(2)
    written = os.stat(ahead).st_ino
    assert same(local, made(tmp_path / "ws", painter))
    assert os.stat(tmp_path / "ws" / "samples" / part_name(2)).st_ino == written  # it was not painted twice


def test_a_damaged_part_is_painted_again_and_told(painter: Ray, local: Workspace, tmp_path: Path) -> None:
    samples = tmp_path / "ws" / "samples"
    samples.mkdir(parents=True)
    whole = bytearray((local.path / "samples" / part_name(1)).read_bytes())
    whole[len(whole) // 3] ^= 255  # in a page, where no length says that something is wrong
    store = local.samples
    (samples / ahead_name(1)).write_bytes(whole)
    generator, extractor = worlds.halves_generator(), CombinedExtractor([worlds.HalvesExtractor()])
    mine = SampleStore(samples, store.recipe)
    job = PartJob(Job(generator, extractor, store.recipe), mine, digest, None)
    (found,) = painter.map(job, iter([(1000, 1000)]))
    assert "its rows were painted again" in found.mended
    assert (samples / ahead_name(1)).read_bytes() == (local.path / "samples" / part_name(1)).read_bytes()


def digest(start: int, latents: np.ndarray, features: np.ndarray) -> int:
    return start


def pid(item: int) -> tuple[int, str, tuple[str, ...]]:
    import sys

    return os.getpid(), os.getcwd(), tuple(sys.path)


def test_workers_stay_and_look_for_modules_in_no_working_folder(painter: Ray, stranger: Path) -> None:
    first, second = list(painter.map(pid, iter(range(8)))), list(painter.map(pid, iter(range(8))))
    assert {one for one, *_ in first} >= {one for one, *_ in second}
    assert not any(str(stranger) in (folder, *paths) for _, folder, paths in first)


class Heavy:
    """A task that holds a network."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def __call__(self, item: int) -> int:
        return os.getpid() * 2**48 + id(self.generator)


def test_a_network_is_stored_once_and_loaded_once_a_worker(painter: Ray) -> None:
    assert painter._actors is not None
    generator, stored = worlds.halves_generator(7), len(painter._actors._stored)
    first = set(painter.map(Heavy(generator), iter(range(8))))
    second = set(painter.map(Heavy(generator), iter(range(8))))
    assert len(painter._actors._stored) == stored + 1
    assert first >= second
    assert len(first) <= 2


def test_another_kind_of_fault_ends_the_run(painter: Ray) -> None:
    with pytest.raises(TlganError, match="ZeroDivisionError"):
        list(painter.map(divided, iter([0])))


def divided(item: int) -> float:
    return 1 / item


def test_gpus_that_are_not_there_are_told(ray: Any) -> None:
    with pytest.raises(TlganError, match="this Ray has 0"):
        list(Ray(gpus_per_worker=0.5).map(divided, iter([1])))
    with pytest.raises(ValueError, match="expected none or more"):
        Ray(workers=-1)


def full(item: int) -> int:
    raise TlganError("the disk is full: part could not be written") from OSError(28, "No space left on device")


def test_a_disk_that_is_full_everywhere_is_told(painter: Ray) -> None:
    said: list[str] = []
    with pytest.raises(TlganError, match="the disk is full"):
        list(painter.map(full, iter(range(4)), said.append))
    assert "can't go on (the disk is full" in said[0]
