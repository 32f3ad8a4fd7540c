"""The notebooks run from the first cell to the last, without a network, and hold no output of an earlier run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: What a notebook's cells must have printed or returned.
SAYS = {
    "quick_start": ("47 sliders", "'smiling': "),
    "axes_from_scratch": ("((1500, 96), (1500, 40))",),
    "comparing_methods": ("exact  got", "regression on 250"),
    "own_labels": ("'warmth'", "'auc'"),
}


def test_the_notebooks_are_those_that_are_known() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(SAYS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    monkeypatch.setenv("TLGAN_OFFLINE", "1")
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    done = nbclient.NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    for words in SAYS[path.stem]:
        assert words in said
