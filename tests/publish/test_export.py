"""Every kind of generator as ONNX, and what the checks do with a network that is not the same."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import tlgan
from tests.publish.world import write_generator
from tlgan.extractors import Feature, load_extractor
from tlgan.extractors.colour import ColourExtractor
from tlgan.web.publish import checks, export

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
KINDS = ["pggan_32_unfused_labels.pkl", "rosinality_64.pt", "sg2_32_cond.pkl", "sg3r_32.pkl"]  # each has its own layers


def axes_in(generator: Any, space: str, **changes: Any) -> Any:
    """All that an export asks of axes."""
    dim = generator.w_dim if space == "w" else generator.latent_dim
    return SimpleNamespace(
        **{"space": space, "latent_dim": dim, "label": None, "truncation": 1.0, "groups": (), **changes}
    )


def original_pictures(generator: Any, latents: torch.Tensor, space: str, label: int | None) -> np.ndarray:
    """Eight at a time: float32 [n, C, H, W]."""
    with torch.inference_mode():
        parts = [generator.synthesize(part, space=space, label=label) for part in latents.split(8)]
    return torch.cat(parts).numpy()


@pytest.mark.parametrize("name", ["dcgan", *KINDS])
def test_an_exported_generator_paints_what_the_original_paints(name: str, tmp_path: Path) -> None:
    """On some of the 64 latents that `publish` tries; with half the bits, within what is allowed."""
    path = write_generator(tmp_path / "dcgan.pt") if name == "dcgan" else CHECKPOINTS / name
    generator = tlgan.load_generator(path)
    space = "w" if "w" in generator.spaces else "z"
    axes = axes_in(generator, space, label=1 if generator.label_dim else None)
    label = export.label_of(generator, axes)
    latents = generator.sample(9, seed=checks.SEED, space=space, label=label)
    original = original_pictures(generator, latents, space, label)
    model = export.export_generator(generator, axes)
    check = checks.compare_pictures(name, original, checks.run(model, latents.numpy()))
    assert original.std() > 0.01
    assert check.mean < 0.01
    assert check.largest < 1
    alone = checks.run(model, latents[:1].numpy())
    assert checks.compare_pictures(name, original[:1], alone).mean < 0.01
    half = checks.run(export.halved(model), latents[:4].numpy())
    assert checks.compare_pictures(name, original[:4], half).mean < 0.25 * checks.MOST_LEVELS


@pytest.mark.parametrize("kind", ["torch.jit", "torch.export"])
def test_a_program_of_torch_is_written_as_onnx(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(8, 4 * 8 * 12), torch.nn.Unflatten(1, (4, 8, 12)), torch.nn.Tanh()
    ).eval()
    path, rows = tmp_path / "g.pt", torch.randn(2, 8)
    if kind == "torch.jit":
        torch.jit.trace(module, rows).save(path)
    else:
        torch.export.save(torch.export.export(module, (rows,), dynamic_shapes=({0: torch.export.Dim("n")},)), path)
    generator = tlgan.load_generator(path, trust=True)
    latents = generator.sample(5, seed=checks.SEED)
    model = export.export_generator(generator, axes_in(generator, "z"))
    original = original_pictures(generator, latents, "z", None)
    assert original.shape == (5, 3, 8, 12)  # transparency is painted over white
    assert checks.compare_pictures("g", original, checks.run(model, latents.numpy())).largest < 1


def test_an_exported_mapping_truncates_as_the_samples_were() -> None:
    generator = tlgan.load_generator(CHECKPOINTS / "sg2_32_cond.pkl")
    axes = axes_in(generator, "w", truncation=0.6, label=1)
    model = export.export_mapping(generator, axes)
    assert model is not None
    z = generator.sample(4, seed=5, space="z")
    wanted = generator.sample(4, seed=5, space="w", truncation=0.6, label=export.label_of(generator, axes)).numpy()
    np.testing.assert_allclose(checks.run(model, z.numpy()), wanted, atol=1e-5)


def test_there_is_no_mapping_where_axes_live_in_z() -> None:
    generator = tlgan.load_generator(CHECKPOINTS / "sg2_64.pkl")
    assert export.export_mapping(generator, axes_in(generator, "z")) is None


def test_a_smaller_picture_is_painted_small() -> None:
    generator = tlgan.load_generator(CHECKPOINTS / "sg2_64.pkl")
    axes = axes_in(generator, "w")
    small = export.export_generator(generator, axes, 32)
    latents = generator.sample(2, seed=3, space="w")
    original = generator.synthesize(latents, space="w", resolution=32).numpy()
    assert checks.compare_pictures("small", original, checks.run(small, latents.numpy())).mean < 0.01
    assert original.shape[-1] == 32


def test_extractors_give_responses_side_by_side() -> None:
    parts = [load_extractor("celeba40"), ColourExtractor()]
    images = torch.rand(3, 3, 128, 128) * 2 - 1
    model = export.export_extractor(parts, (3, 128, 128))
    wanted = torch.cat([part.logits(images) for part in parts], dim=1).detach().numpy()
    np.testing.assert_allclose(checks.run(model, images.numpy()), wanted, rtol=1e-3, atol=2e-3)


def test_a_grey_generator_can_be_measured() -> None:
    images = torch.rand(2, 1, 64, 64) * 2 - 1
    model = export.export_extractor([ColourExtractor()], (1, 64, 64))
    np.testing.assert_allclose(checks.run(model, images.numpy()), ColourExtractor().extract(images).numpy(), atol=2e-3)


def test_what_can_not_be_traced_is_refused_in_one_line() -> None:
    class Counting:
        name = "counting"
        input_size = 8
        features = (Feature("count", "quantity"),)

        def logits(self, images: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.sum(images.numpy(), axis=(1, 2, 3)))[:, None]

    with pytest.raises(tlgan.TlganError, match="the extractor counting can't be written as ONNX") as error:
        export.export_extractor([Counting()], (3, 8, 8))
    assert "\n" not in str(error.value)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(tlgan.TlganError, match=r"pip install 'tlgan\[onnx\]'"):
        export.export_extractor([ColourExtractor()], (3, 32, 32))


def test_an_exported_file_says_nothing_of_where_it_was_made() -> None:
    content = export.export_extractor([ColourExtractor()], (3, 32, 32)).SerializeToString()
    assert str(Path(tlgan.__file__).parent).encode() not in content
    assert b"site-packages" not in content
    assert b".py" not in content


def linear_model(weight: np.ndarray) -> onnx.ModelProto:
    """x @ weight."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weight.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weight.shape[1]])],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("bits", [10, 7, 3])
def test_rounded_weights_keep_so_many_bits(bits: int) -> None:
    weight = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    half = export.halved(linear_model(weight), bits)
    kept = numpy_helper.to_array(half.graph.initializer[0])
    assert kept.dtype == np.float16
    assert np.max(np.abs(kept - weight) / np.abs(weight)) <= 2.0 ** -(bits + 1) * 1.001
    assert not np.any(kept.view(np.uint16) & ((1 << (10 - bits)) - 1))
    np.testing.assert_array_equal(checks.run(half, np.eye(64, dtype=np.float32)), kept.astype(np.float32))


def test_weights_that_no_half_can_hold_stay_whole() -> None:
    weight = np.full((64, 64), 1e6, dtype=np.float32)
    half = export.halved(linear_model(weight))
    assert numpy_helper.to_array(half.graph.initializer[0]).dtype == np.float32


def test_a_check_counts_grey_levels_as_they_are_shown() -> None:
    original = np.zeros((2, 3, 4, 4), dtype=np.float32)
    assert checks.compare_pictures("x", original, original + 2 / 255).mean == pytest.approx(1.0)
    assert checks.compare_pictures("x", original + 1, original + 3).mean == 0  # both are white
    check = checks.compare_pictures("x", original, original + np.float32(0.1))
    assert not check.passed
    with pytest.raises(tlgan.TlganError, match=r"mean 13, largest 13 grey levels on 2 latents; at most 1 on average"):
        checks.require(check)


def test_a_network_that_gives_nonsense_does_not_pass() -> None:
    original = np.zeros((1, 3, 2, 2), dtype=np.float32)
    assert not checks.compare_pictures("x", original, original + np.nan).passed
