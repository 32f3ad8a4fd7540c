"""A short, seeded run of `benchmarks/fuzz_checkpoints.py`."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_checkpoints.py"


def test_damaged_files_load_or_end_in_one_line():
    spec = importlib.util.spec_from_file_location("fuzz_checkpoints", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    counts = script.fuzz(runs=600, seed=20181030)
    assert counts["refused"] > 100
    assert counts["loaded"] > 10  # damage to weights alone is not noticed: the mutations are not all trivial
