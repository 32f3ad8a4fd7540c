"""Every hook: documented with an example that runs, used by what is built in, and proved by a second implementation."""

from __future__ import annotations

import re
import sys
import threading
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.worlds import HalvesExtractor, HalvesModule, halves_networks, halves_settings, halves_workspace
from tlgan import hooks
from tlgan.axes.directions import axes_by
from tlgan.errors import TlganError
from tlgan.evaluation import evaluate
from tlgan.evaluation.metrics import within
from tlgan.extractors import load_extractor
from tlgan.extractors.combined import CombinedExtractor
from tlgan.generators import Generator, load_generator, wrap_generator
from tlgan.samples import Recipe, SampleStore, Source, draw
from tlgan.workspace import Workspace
from tlgan.workspace.discover import discover, labelled

TEXT = (Path(__file__).parent.parent / "docs" / "extending.md").read_text()


def example(name: str) -> str:
    found = re.search(rf"<!-- test: {name} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert found, f"docs/extending.md has no example of: {name}"
    return found[1]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """What a test registers is gone after it."""
    yield
    for hook, _ in hooks.HOOKS.values():
        hook._registered.clear()


@pytest.mark.parametrize("what", list(hooks.HOOKS))
def test_every_hook_has_a_documented_example_whose_thing_is_found(what: str) -> None:
    hook, signature = hooks.HOOKS[what]
    before = set(hook.names())
    exec(example(what), {})
    (name,) = set(hook.names()) - before
    assert hook.get(name) is not None
    assert signature.__doc__
    assert f"`{hook.group}`" in TEXT
    methods = [m for m in vars(signature).values() if callable(m) and getattr(m, "__doc__", "")]
    assert methods, f"{signature.__name__} documents no method"


@pytest.mark.parametrize("what", list(hooks.HOOKS))
def test_what_is_built_in_can_be_imported_and_is_not_overwritten(what: str) -> None:
    hook, _ = hooks.HOOKS[what]
    for name in hook.built_in:
        assert hook.get(name) is not None
        with pytest.raises(TlganError, match="built in"):
            hook.register(name, object())
    with pytest.raises(TlganError, match="unknown"):
        hook.get("no such thing")


def test_entry_points_of_packages_are_loaded_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = tomllib.loads(example("entry points"))["project"]["entry-points"]
    assert set(entries) <= {hook.group for hook, _ in hooks.HOOKS.values()}
    points = [EntryPoint(name, value, group) for group, named in entries.items() for name, value in named.items()]
    monkeypatch.setattr(hooks, "entry_points", lambda group: [p for p in points if p.group == group])
    assert "worst" in hooks.METRICS.names()  # nothing is imported: there is no such package
    with pytest.raises(TlganError, match="my_package:worst can't be imported"):
        hooks.METRICS.get("worst")


# -- the examples do what they say ---------------------------------------------------------------------------------


def test_a_generator_format(tmp_path: Path) -> None:
    exec(example("generator format"), {})
    weight = np.random.default_rng(0).normal(size=(5, 3 * 8 * 8)).astype(np.float32)
    np.save(tmp_path / "a.linear.npy", weight)
    generator = load_generator(tmp_path / "a.linear.npy")
    z = generator.sample(3, seed=1)
    assert torch.allclose(generator.synthesize(z), (z @ torch.from_numpy(weight)).view(3, 3, 8, 8), atol=1e-5)
    assert load_generator(tmp_path / "a.linear.npy", truncation=0.5).truncation == 0.5


class Foreign:
    """A generator written from the contract alone: z of two numbers, w twice as long, pictures of one grey level."""

    name, fingerprint = "foreign", "f" * 64
    latent_dim, w_dim, num_ws, resolution, channels, label_dim = 2, 4, 3, 8, 3, 0
    spaces, differentiable, truncation = ("z", "w", "w+"), True, 1.0

    def sample(
        self, n: int, *, seed: int, start: int = 0, space: str = "z", truncation: Any = None, label: Any = None
    ) -> Any:
        rng = [np.random.default_rng((seed, start + i)).normal(size=2) for i in range(n)]
        return torch.tensor(np.array(rng), dtype=torch.float32)

    def map(self, z: Any, *, label: Any = None, truncation: Any = None, cutoff: Any = None) -> Any:
        return (truncation if truncation is not None else 1.0) * torch.cat([z, 2 * z], dim=1)

    def synthesize(
        self, latents: Any, *, space: str = "z", label: Any = None, noise: str = "const", resolution: Any = None
    ) -> Any:
        if space == "z":
            latents = self.map(latents)
        level = latents.mean(dim=-1) if space != "w+" else latents.mean(dim=(1, 2))
        return level[:, None, None, None].expand(-1, 3, 8, 8)


def test_a_class_that_has_the_contract_alone_is_painted_truncated() -> None:
    generator = Foreign()
    assert isinstance(generator, Generator)
    z = generator.sample(4, seed=0)
    whole = Source(generator, "z").synthesize(z)
    assert torch.allclose(Source(generator, "z", truncation=0.7).synthesize(z), 0.7 * whole)
    painted = torch.cat(list(Source(generator, "z", truncation=0.7).pictures(z.numpy())))
    assert torch.allclose(painted, (0.7 * whole).clamp(-1, 1))


def test_an_extractor() -> None:
    exec(example("extractor"), {})
    assert load_extractor("contrast").extract(torch.zeros(2, 3, 8, 8)).tolist() == [[0.0], [0.0]]


def test_an_axis_method_finds_the_axes_of_a_workspace(tmp_path: Path) -> None:
    exec(example("axis method"), {})
    found = discover(tmp_path / "a", halves_settings(method="covariance"), **halves_networks()).axes
    ours = halves_workspace(tmp_path / "b").axes
    assert found.found_by == ("covariance",) * 3
    one, other = found.whitened_slopes[:2], ours.whitened_slopes[:2]
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert (cosine > 0.99).all()  # in white z the covariance is the slope
    with pytest.raises(TlganError, match="unknown axis method 'covarianc'"):
        discover(tmp_path / "c", halves_settings(method="covarianc"), **halves_networks())


def test_an_inverter(halves: Workspace) -> None:
    exec(example("inverter"), {})
    canvas = halves.canvas
    latent = canvas.sample(1, seed=0, start=7)
    found = hooks.INVERTERS.make("nearest-draw").invert(canvas.paint(latent)[0], canvas)
    np.testing.assert_array_equal(found, latent[0])


def test_a_method_and_a_metric_are_scored_and_shown(tmp_path: Path) -> None:
    from tlgan.workspace.section import evaluation_section

    exec(example("evaluation method"), {})
    exec(example("metric"), {})
    workspace = halves_workspace(tmp_path / "a")
    found = evaluate(
        workspace.canvas,
        HalvesExtractor(),
        features=["left", "right_bright"],
        methods=["plain", "nothing"],
        faces=6,
        plain=60,
        metrics=["worst", "precision", "recall"],
    )
    still = found["nothing"]
    assert still.got.value == still.drift.value == still.more["worst"].value == 0
    assert still.more["precision"].value == pytest.approx(1.0, abs=0.2)
    assert found["plain"].more["worst"].value > 0
    shown = evaluation_section(workspace.canvas, found)
    assert (shown["shown"], shown["unknown"], shown["more"]) == (
        ["plain", "nothing"],
        [],
        ["worst", "precision", "recall"],
    )
    hooks.EVALUATION_METHODS._registered.clear()
    shown = evaluation_section(workspace.canvas, found)
    assert (shown["shown"], shown["unknown"]) == (["plain"], ["nothing"])  # said, not dropped in silence


def test_precision_counts_points_in_the_balls_of_the_support() -> None:
    support = np.array([[0.0], [1.0], [2.0], [10.0]])  # radii to the 2nd nearest other: 2, 1, 2, 9
    assert within(np.array([[-1.9], [-2.1], [4.1], [18.9], [19.1]]), support, 2).tolist() == [
        True,
        False,
        True,
        True,
        False,
    ]


# -- engines -------------------------------------------------------------------------------------------------------


def drawn(folder: Path, engine: Any, piece: int | None = None) -> list[np.ndarray]:
    generator, extractor = wrap_generator(HalvesModule(), latent_dim=8), CombinedExtractor([HalvesExtractor()])
    features = tuple(feature.name for feature in HalvesExtractor.features)
    recipe = Recipe(generator.fingerprint, "z", 8, 3, ("halves",), features, part_rows=40)
    store, seen = SampleStore(folder, recipe), []

    def enough(latents: np.ndarray, features: np.ndarray) -> bool:
        seen.append(len(latents))
        return sum(seen) > 90

    rows = draw(generator, extractor, store, stop=150, enough=enough, piece=piece, engine=engine)
    parts = list(store.read(None))
    return [np.array([rows]), *(np.array(part.to_pydict()[column]) for part in parts for column in part.column_names)]


@pytest.mark.parametrize("piece", [None, 7])
def test_rows_are_the_same_bit_for_bit_in_several_processes(tmp_path: Path, piece: int | None) -> None:
    exec(example("sampling engine"), {})
    local = drawn(tmp_path / "local", None, piece)
    for name in ("processes:3", "threads:2"):
        other = drawn(tmp_path / name.partition(":")[0], hooks.SAMPLING_ENGINES.make(name), piece)
        assert all(np.array_equal(a, b) for a, b in zip(local, other, strict=True))


def test_networks_without_a_name_are_copied_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class inside a function, and one of a script that was started; both with a function that has no name."""

    class Inside(HalvesModule):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.last(super().forward(z))

    class Scripted(Inside):
        pass

    Scripted.__module__, Scripted.__qualname__ = "__main__", "Scripted"
    monkeypatch.setattr(sys.modules["__main__"], "Scripted", Scripted, raising=False)
    for made in (Inside, Scripted):
        module = made()
        module.last = lambda pictures: pictures / 2  # type: ignore[assignment]
        generator, extractor = wrap_generator(module, latent_dim=8), CombinedExtractor([HalvesExtractor()])
        recipe = Recipe(generator.fingerprint, "z", 8, 0, ("halves",), ("left", "right_bright", "noise"))
        rows = []
        for name in ("local", "processes"):
            store = SampleStore(tmp_path / made.__name__ / name, recipe)
            draw(
                generator,
                extractor,
                store,
                stop=10,
                enough=lambda z, f: False,
                engine=hooks.SAMPLING_ENGINES.make(name),
            )
            rows.append(np.concatenate([features for _, features in store.read_arrays()]))
        assert np.array_equal(*rows)


def test_what_can_not_be_copied_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TlganError, match="sampling engine 'processes:none' can't be made"):
        hooks.SAMPLING_ENGINES.make("processes:none")

    class Locked(HalvesModule):
        """A lock belongs to one process."""

        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()

    generator, extractor = wrap_generator(Locked(), latent_dim=8), CombinedExtractor([HalvesExtractor()])
    recipe = Recipe(generator.fingerprint, "z", 8, 0, ("halves",), ("left", "right_bright", "noise"))
    with pytest.raises(TlganError, match="can't be copied into other processes"):
        draw(generator, extractor, SampleStore(tmp_path, recipe), stop=10, enough=lambda z, f: True,
             engine=hooks.SAMPLING_ENGINES.make("processes"))  # fmt: skip


def test_the_svm_is_a_second_method_that_agrees_with_ours_where_the_world_is_linear(halves: Workspace) -> None:
    samples = labelled(halves, halves.axes)
    found = axes_by(hooks.AXIS_METHODS.make("svm"), samples)
    one, other = found.whitened_slopes[:2], halves.axes.whitened_slopes[:2]
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert (cosine > 0.97).all()
    assert found.found_by[0] == "svm"
    assert (found.agreement[:2] > 0.9).all()
