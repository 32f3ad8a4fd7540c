"""Readers of what strangers write: every kind of damage is one clear line. A short, seeded run of `benchmarks/fuzz.py`
and the faults that the long ones have found."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tlgan.dataset.request import read_table
from tlgan.editing.state import find_state
from tlgan.errors import TlganError
from tlgan.extractors.description import read_description
from tlgan.io.foreign import json_of, toml_of
from tlgan.io.pictures import thumbnail
from tlgan.photographs.reading import read_photograph
from tlgan.photographs.state import load_inversion
from tlgan.samples.recipe import Recipe
from tlgan.training.pictures import square
from tlgan.training.readers import read_labelled
from tlgan.web.server import wire
from tlgan.workspace import Settings
from tlgan.workspace.foreign import read_direction

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["fuzz"] = script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


RUNS = {"pickle": 60, "zip": 60, "gzip": 60, "safetensors": 60, "openvino": 40, "keras": 60, "onnx": 60, "settings": 200, "axes": 100,
        "samples": 60, "labels": 100, "directions": 60, "inversion": 150, "provenance": 150, "photograph": 60, "like": 80,
        "head": 40, "state": 300, "message": 300, "http": 200}  # fmt: skip


def test_every_target_has_its_short_run(script: Any) -> None:
    assert RUNS.keys() == script.TARGETS.keys()


@pytest.mark.parametrize("name", RUNS)
def test_damaged_bytes_are_read_or_refused_in_one_line(script: Any, name: str) -> None:
    found = script.fuzz(name, seed=20181030, runs=RUNS[name], guided=False)
    assert found["faults"] == []
    assert found["read"] > 0
    assert (
        name in ("http", "provenance") or found["refused"] > 10
    )  # the guard and `verify` answer whatever they are asked


class TwoLines(TlganError):
    def __str__(self) -> str:
        return "one\ntwo"


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: open("/dev/null", "w").close(), "did open"),
        (lambda: exec("1"), "did exec"),
        (lambda: sum(1 for _ in range(10**9)), "_Slow"),
        (lambda: (_ for _ in ()).throw(TwoLines()), "more than one line"),
    ],
)
def test_the_fuzzer_sees_what_no_reader_may_do(script: Any, read: Any, fault: str) -> None:
    with script.prepared(script.TARGETS["settings"]), pytest.raises(script.Fault, match=fault):
        script.once(read)


def test_the_fuzzer_goes_on_from_what_takes_a_new_way(script: Any) -> None:
    found = script.fuzz("settings", runs=150)
    assert found["corpus"] > len(script.TARGETS["settings"].seeds())
    assert found["paths"] > 5


@pytest.mark.parametrize("text", [DEEP, "9" * 5000, "9" * 400, "1e999", b"\xff\xfe{\x00}\x00", "{"])
def test_json_that_python_stumbles_over_is_a_value_error(text: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        json_of(text)


@pytest.mark.parametrize("value", [DEEP, "9" * 5000, "9" * 400, "9223372036854775808", "[1, [99999999999999999999]]"])
def test_toml_that_python_stumbles_over_is_a_value_error(value: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        toml_of(f"a = {value}")
    for read in (Settings.from_toml, read_description):
        with pytest.raises(TlganError, match="not TOML"):
            read(f"a = {value}", "there")


def test_what_is_written_is_read() -> None:
    assert json_of('{"a": [1, -2.5, 1e300, null, "x"]}') == {"a": [1, -2.5, 1e300, None, "x"]}
    assert json_of("é".join('""').encode()) == "é"
    assert toml_of("a = -9223372036854775808\nb = [1.5, true]") == {"a": -(2**63), "b": [1.5, True]}


@pytest.mark.parametrize("number", ["9" * 400, "1e999", DEEP])
def test_a_message_with_a_number_that_no_float_holds_is_refused(number: str) -> None:
    with pytest.raises(TlganError, match="not JSON"):
        wire.parse(f'{{"face": {{"seed": 1, "asked": {{"left": {number}}}}}}}')


def test_a_line_about_a_stranger_s_words_is_one_and_has_an_end() -> None:
    assert str(TlganError("no header (invalid offset for\ntensor\r\u2028`x`): discover")).splitlines() == [
        "no header (invalid offset for tensor  `x`): discover"
    ]
    line = str(TlganError(f"unknown {'x' * 100_000}: name another"))
    assert len(line) < 1500
    assert line.startswith("unknown xxx")
    assert line.endswith(": name another")
    assert str(TlganError("short")) == "short"


@pytest.mark.parametrize(
    "entries",
    [{"part_rows": 0}, {"part_rows": "8"}, {"latent_dim": -1}, {"features": [1]}, {"space": None}, {"part_rows": True}],
)
def test_a_recipe_of_other_kinds_of_values_is_refused(entries: dict[str, Any]) -> None:
    recipe = Recipe("g", "z", 4, 0, ("e",), ("f",))
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(TlganError, match="no readable recipe"):
        Recipe.from_json(json.dumps(json.loads(recipe.to_json()) | entries))


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "file,warm\n" + "x" * 200_000 + ",1\n", "can't be read as a table"),
        ("a.csv", "file,warm\na\0.png,1\n", "there can't be"),
        ("a.csv", "file,warm\n" + "x" * 5000 + ".png,1\n", "there can't be"),
        ("a.csv", "file,warm\n\n\n", "has no rows"),
        ("a.txt", "0\nSmiling\n\n", "name no picture"),
        ("a.txt", "²\nSmiling\na.png 1\n", "line 3 has 2 values, expected 1"),
        ("a.txt", "9" * 5000 + "\nSmiling\na.png 1\n", "line 3 has 2 values, expected 1"),
    ],
)
def test_labels_that_name_no_files(tmp_path: Path, name: str, text: str, match: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(TlganError, match=match):
        read_labelled(tmp_path / "pictures", tmp_path / name)


def test_parquet_that_is_damaged_beyond_its_schema_is_one_line(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {"file": [f"{row}.png" for row in range(2000)], "warm": np.random.default_rng(0).integers(0, 9, 2000)}
    pq.write_table(pa.table(rows), buffer := io.BytesIO())
    data = bytearray(buffer.getvalue())
    data[40:2000] = b"\xff" * 1960
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(TlganError, match="can't be read as Parquet"):
        read_labelled(tmp_path, tmp_path / "a.parquet")


# -- pictures and arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".png", ".eps"])
def test_a_picture_runs_no_program(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gives PostScript under any name to Ghostscript."""
    (program := tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # what was not looked for yet
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / f"a{ending}").write_bytes(script)
    assert square(script, 8) is None
    for read in (read_photograph, thumbnail, find_state):
        with pytest.raises(TlganError):
            read(script)
    assert not (tmp_path / "ran").exists()


def test_pictures_are_opened_in_one_place() -> None:
    source = SCRIPT.parents[1] / "src" / "tlgan"
    found = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "open" and getattr(node.value, "id", "").endswith("Image")
    }
    assert found == {"io/pictures.py"}


def test_a_picture_that_claims_a_giant_size_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (8, 8)).save(buffer := io.BytesIO(), "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = (10**6).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    assert square(bytes(data), 8) is None
    for read in (read_photograph, thumbnail, find_state):
        with pytest.raises(TlganError):
            read(bytes(data))
    assert capfd.readouterr() == ("", "")


def _npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}\n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (\n",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n",
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_arrays_that_numpy_stumbles_over_are_one_line(tmp_path: Path, header: bytes, zipped: bool) -> None:
    path = tmp_path / ("a.npz" if zipped else "a.npy")
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("boundary.npy", _npy(header))
    else:
        path.write_bytes(_npy(header))
    with pytest.raises(TlganError, match="can't be read as an array") as refusal:
        read_direction(path)
    assert "\n" not in str(refusal.value)


def test_arrays_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(path := tmp_path / "face.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", bytes(80 * 2**20))
    assert path.stat().st_size < 2**18
    with pytest.raises(TlganError, match="unpacks to 80 MB"):
        load_inversion(path)


def test_a_direction_in_a_float_that_numpy_lacks_is_read(tmp_path: Path) -> None:
    torch.save(torch.tensor([1.0, 0.5, -2.0]).bfloat16(), tmp_path / "d.pt")
    assert read_direction(tmp_path / "d.pt").tolist() == [1.0, 0.5, -2.0]


@pytest.mark.parametrize("data", [b"\xff\xfeleft,right\n1,2\n", b"left,left\n1,2\n", b"", b"PAR1"])
def test_a_table_that_arrow_stumbles_over_is_one_line(tmp_path: Path, data: bytes) -> None:
    (path := tmp_path / ("t.parquet" if data == b"PAR1" else "t.csv")).write_bytes(data)
    with pytest.raises(TlganError, match="can't be read as a table") as refusal:
        read_table(path)
    assert "\n" not in str(refusal.value)
