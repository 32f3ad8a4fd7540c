"""The examples of docs/generators.md run as they stand."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlgan.generators import load_generator

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "generators.md").read_text()
CHECKPOINTS = Path(__file__).parent / "checkpoints"


def example(name: str, language: str = "python") -> str:
    found = re.search(rf"<!-- test: {name} -->\n```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found, name
    return found[1]


def test_loading_and_painting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(CHECKPOINTS / "sg2_64.pkl", tmp_path / "network.pkl")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example("load").replace("cutoff=8", "cutoff=4"), names)
    assert names["images"].shape == (4, 3, 64, 64)  # type: ignore[attr-defined]
    assert names["small"].shape == (4, 3, 16, 16)  # type: ignore[attr-defined]


def test_wrapping() -> None:
    exec(example("wrap"), {})


def test_a_network_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example("at hand"), names)
    assert names["workspace"].axes.latent_dim == 16


def test_a_kind_of_ones_own_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eigenfaces.py").write_text(example("kind"))
    entries = tomllib.loads(example("entry point", "toml"))["project"]["entry-points"]
    installed = tmp_path / "eigenfaces-1.0.dist-info"  # what pip writes
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: eigenfaces\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in entries.items()]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)

    rng = np.random.default_rng(0)
    mean, components = rng.normal(size=(3, 8, 8)), rng.normal(size=(5, 3, 8, 8))
    file = tmp_path / "my.eigenfaces.npz"
    np.savez(file, mean=mean.astype(np.float32), components=components.astype(np.float32))
    for ref in (str(file), file):
        generator = load_generator(ref)
        assert (generator.latent_dim, generator.resolution) == (5, 8)
        z = generator.sample(3, seed=4)
        expected = mean + np.einsum("nd,dchw->nchw", z.numpy(), components)
        np.testing.assert_allclose(generator.synthesize(z).numpy(), expected, atol=1e-5)
        assert generator.synthesize(z, resolution=4).shape == (3, 3, 4, 4)
