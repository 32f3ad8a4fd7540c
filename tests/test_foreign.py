"""Readers of what strangers write: every kind of damage is one clear line. A short, seeded run of `benchmarks/fuzz.py`
and the faults that the long ones have found."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlgan.errors import TlganError
from tlgan.extractors.description import read_description
from tlgan.io.foreign import json_of, toml_of
from tlgan.samples.recipe import Recipe
from tlgan.training.readers import read_labelled
from tlgan.web.server import wire
from tlgan.workspace import Settings

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


RUNS = {"pickle": 60, "zip": 60, "safetensors": 60, "openvino": 40, "keras": 60, "onnx": 60, "settings": 200, "axes": 100,
        "samples": 60, "labels": 100, "state": 300, "message": 300, "http": 200}  # fmt: skip


def test_every_target_has_its_short_run(script: Any) -> None:
    assert RUNS.keys() == script.TARGETS.keys()


@pytest.mark.parametrize("name", RUNS)
def test_damaged_bytes_are_read_or_refused_in_one_line(script: Any, name: str) -> None:
    found = script.fuzz(name, seed=20181030, runs=RUNS[name], guided=False)
    assert found["faults"] == []
    assert found["read"] > 0
    assert name == "http" or found["refused"] > 10  # the guard answers whatever it is asked


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: open("/dev/null", "w").close(), "did open"),
        (lambda: exec("1"), "did exec"),
        (lambda: sum(range(10**9)), "_Slow"),
        (lambda: (_ for _ in ()).throw(TlganError("one\ntwo")), "more than one line"),
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


def test_a_line_about_a_stranger_s_words_has_an_end() -> None:
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
        ("a.txt", "²\nSmiling\na.png 1\n", "not CelebA's list"),
        ("a.txt", "9" * 5000 + "\nSmiling\na.png 1\n", "not CelebA's list"),
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
