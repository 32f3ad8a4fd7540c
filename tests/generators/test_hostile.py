"""Files that are broken or mean harm: one clear line each, within a second and 200 MB, and nothing executed."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.generators import official
from tlgan.errors import TlganError
from tlgan.generators import inspect_checkpoint, load_generator

FOLDER = Path(__file__).parents[1] / "checkpoints"
FILES = sorted(path for path in (FOLDER / "hostile").iterdir())
HARMLESS = "evil_eval_in_persistence.pkl"  # a good file whose hostile source text is never looked at
PWNED = Path(tempfile.gettempdir()) / "pwned"

_MEASURE = """
import resource, sys, time
import tlgan.generators.loading, tlgan.generators.formats.onnx_files, onnxruntime
from tlgan.errors import TlganError
from tlgan.generators import load_generator
for path in sys.argv[1:]:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        load_generator(path)
        line = "loaded"
    except TlganError as error:
        line = str(error)
    seconds = time.process_time() - start
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert "\\n" not in line and len(line) < 600, line
    print(f"{path}\\t{seconds:.3f}\\t{megabytes:.0f}\\t{line}")
"""


def measured(paths):
    """(seconds, megabytes, line) of loading each file, in one process of its own."""
    done = subprocess.run([sys.executable, "-c", _MEASURE, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {Path(path).name: (float(seconds), float(megabytes), line) for path, seconds, megabytes, line in rows}


def test_every_hostile_file_is_refused_quickly_and_in_one_line():
    assert not PWNED.exists()
    results = measured(FILES)
    assert len(results) == len(FILES) >= 14
    for name, (seconds, megabytes, line) in results.items():
        assert seconds < 1, (name, seconds)
        assert megabytes < 200, (name, megabytes)
        assert name == HARMLESS or name in line, (name, line)
        assert (line == "loaded") == (name == HARMLESS), (name, line)
    assert not PWNED.exists()


def test_hostile_source_text_is_not_looked_at():
    with np.load(FOLDER / "sg2_64.npz") as want:
        images = load_generator(FOLDER / "hostile" / HARMLESS).synthesize(want["z"])
        assert np.abs(images.numpy() - want["images"]).max() < 1e-4
    assert not PWNED.exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("evil_os_system.pkl", "names os.system"),
        ("evil_posix_in_dict.pkl", "names posix.system"),
        ("evil_nested_storage.pkl", "names os.system"),
        ("truncated.pkl", "cut off"),
        ("zeros.pkl", "starts with 00 00"),
        ("empty.pkl", "empty"),
        ("html_error_page.pkl", "web page"),
        ("wrong_content_list.pkl", "a list of 3"),
        ("bad_tensor_out_of_bounds.pkl", "reaches past its storage"),
        ("bomb_stride0_tensor.pkl", "repeats a storage"),
        ("bomb_deep_nesting.pkl", "a list of 1"),
        ("bomb_memo_index.pkl", "a list of 0"),
        ("bomb_binbytes8.pkl", "announces 17179869184 bytes"),
    ],
)
def test_the_line_says_what_the_file_is(name, line):
    for read in (load_generator, inspect_checkpoint):
        with pytest.raises(TlganError, match=line):
            read(FOLDER / "hostile" / name)


def doubled(times):
    """A list that is small in the file and has 2**times ends."""
    value = [1]
    for _ in range(times):
        value = [value, value]
    return value


def endless():
    value: list[Any] = []
    value.append(value)
    return value


def test_what_is_small_in_the_file_and_huge_to_walk(tmp_path):
    shared = {f"entry {n}": n for n in range(20_000)}
    files = []
    for name, attribute in (("doubled", doubled(40)), ("endless", endless())):
        network = official.stylegan3(1)
        layers = network.state["_modules"]["synthesis"].state["_modules"]
        layers["L0_24_14"].state["padding"] = attribute
        network.state["_modules"]["mapping"].state["z_dim"] = attribute
        files.append(official.write(tmp_path / f"{name}.pkl", {"G_ema": network}))
    files.append(official.write(tmp_path / "shared.pkl", {f"key {n}": shared for n in range(3000)}))
    files.append(official.write(tmp_path / "alone.pkl", doubled(40)))
    prefixed = {"G." * 30_000 + leaf: torch.zeros(4, 3, 4, 4) for leaf in ("a.weight", "b.weight")}
    torch.save(prefixed, tmp_path / "prefixed.pt")
    results = measured([*files, tmp_path / "prefixed.pt"])
    assert len(results) == 5
    for name, (seconds, megabytes, line) in results.items():
        assert name in line, (name, line)
        assert seconds < 1, (name, seconds)
        assert megabytes < 200, (name, megabytes)
