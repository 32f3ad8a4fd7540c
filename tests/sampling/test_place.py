"""Workspaces on an object store: fsspec's own in memory, which lives in this process."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import worlds
from tlgan.errors import TlganError
from tlgan.io.place import Bucket, address_in, place_of
from tlgan.samples import SampleStore
from tlgan.workspace import Workspace, open_workspace
from tlgan.workspace.discover import discover

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed (pip install 'tlgan[ray]')")


@pytest.fixture
def address() -> Iterator[str]:
    address = f"memory://{secrets.token_hex(8)}/ws"
    yield address
    fsspec.filesystem("memory").rm(address, recursive=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))


def made(where: Any, **changes: Any) -> Workspace:
    return discover(where, worlds.halves_settings(**changes), sure=1.0, **worlds.halves_networks())


def test_addresses_are_told_from_folders_also_where_a_path_has_lost_a_slash() -> None:
    assert address_in("s3://bucket/faces") == "s3://bucket/faces"
    assert address_in(Path("gs://bucket/faces")) == "gs://bucket/faces"
    assert address_in(Path("file:///disk/faces")) == "file:///disk/faces"
    for folder in ("faces", "run-14:05", "C:/faces", "/a/s3:/b", "http://host/x"):
        assert address_in(folder) == ""


def test_a_workspace_on_an_object_store_is_the_same_and_opens_on_another_machine(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, there = made(tmp_path / "ws", max_samples=2500), made(address, max_samples=2500)
    names = set(Bucket(address).all())
    assert {"tlgan.toml", "axes.safetensors", "report.html"} < names
    assert {name for name in names if name.startswith("samples/")} == {
        f"samples/part-0000{k}.parquet" for k in range(3)
    }
    assert not (there.path / "samples").exists()
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "other machine"))
    opened = open_workspace(address).changed(**worlds.halves_networks())
    assert opened.path != there.path
    assert np.array_equal(opened.axes.directions, local.axes.directions)
    for part in range(3):
        assert (
            Bucket(address).source(f"samples/part-0000{part}.parquet").read()
            == local.samples.parts()[part].read_bytes()
        )


def test_a_run_goes_on_there(address: str) -> None:
    made(address, max_samples=1500)
    first = Bucket(address).source("samples/part-00000.parquet").read()
    grown = made(address, max_samples=3000)
    assert grown.samples.rows() == 3000
    assert Bucket(address).source("samples/part-00000.parquet").read() == first
    opened = open_workspace(address).changed(**worlds.halves_networks())
    assert opened.samples.measured() == 3000


def test_a_put_that_fails_leaves_what_was_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(address)
    with place.writing("tlgan.toml") as file:
        file.write(b"before")
    with pytest.raises(ZeroDivisionError), place.writing("tlgan.toml") as file:
        file.write(bytes(1 // (len(place.names()) - 1)))
    assert place.source("tlgan.toml").read() == b"before"

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.files, "put_file", full)  # type: ignore[attr-defined]
    with pytest.raises(TlganError, match="the disk is full"), place.writing("tlgan.toml") as file:
        file.write(b"other")
    assert place.source("tlgan.toml").read() == b"before"


def test_a_store_without_its_package_is_told_in_one_line() -> None:
    with pytest.raises(TlganError, match="need fsspec and its package"):
        place_of("abfs://container/ws")


def test_a_damaged_part_there_is_named_by_its_address(address: str, tmp_path: Path) -> None:
    local = made(tmp_path / "ws", max_samples=1000)
    whole = local.samples.parts()[0].read_bytes()
    place = place_of(f"{address}/samples")
    with place.writing("part-00000.parquet") as file:
        file.write(whole[: len(whole) // 2])
    with pytest.raises(TlganError, match=f"{address}/samples/part-00000.parquet can't be read"):
        SampleStore(place, local.samples.recipe).rows()
