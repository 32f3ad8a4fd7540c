"""What a generator is known by is computed from what it paints with; what its file says of its origin is only shown."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.generators import official
from tests.generators.test_other_formats import dcgan
from tlgan.errors import TlganError
from tlgan.extractors import Feature, load_extractor
from tlgan.extractors.networks import ARCHITECTURES
from tlgan.extractors.trained import save_trained
from tlgan.generators import convert_checkpoint, inspect_checkpoint, load_generator, wrap_generator
from tlgan.generators.formats.converted import read_safetensors
from tlgan.io.hub import sha256_of
from tlgan.workspace import Settings, open_workspace
from tlgan.workspace.discover import discover
from tlgan.workspace.move import move_generator

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def snapshot(path: Path, seed: int = 4) -> Path:
    return official.write(path, {"G_ema": official.stylegan2(seed)})


def rewritten(path: Path, out: Path, *, tensors=lambda name, tensor: tensor, **metadata: str) -> Path:
    """A converted file with other tensors or another metadata."""
    _, said = read_safetensors(path)
    numbers = {name: tensors(name, tensor).contiguous() for name, tensor in load_file(path).items()}
    save_file(numbers, out, said | metadata)
    return out


def test_the_numbers_decide_and_not_what_the_file_states(tmp_path):
    mine = convert_checkpoint(snapshot(tmp_path / "mine.pkl"), tmp_path / "mine.safetensors")
    other = convert_checkpoint(snapshot(tmp_path / "other.pkl", seed=5), tmp_path / "other.safetensors")
    wanted = load_generator(tmp_path / "mine.pkl").fingerprint
    stated = json.dumps({"ref": "mine.pkl", "sha256": sha256_of(tmp_path / "mine.pkl"), "fingerprint": wanted})
    forged = rewritten(other, tmp_path / "forged.safetensors", source=stated)
    assert load_generator(mine).fingerprint == wanted
    assert load_generator(forged).fingerprint == load_generator(other).fingerprint != wanted
    assert load_generator(forged, recorded=sha256_of(tmp_path / "mine.pkl")).fingerprint != wanted
    assert inspect_checkpoint(mine).stated_origin == f"mine.pkl (sha256 {sha256_of(tmp_path / 'mine.pkl')})"
    assert inspect_checkpoint(mine).fingerprint == wanted


def test_structure_and_every_tensor_count(tmp_path):
    mine = convert_checkpoint(snapshot(tmp_path / "mine.pkl"), tmp_path / "mine.safetensors")
    wanted = load_generator(mine).fingerprint
    same = rewritten(mine, tmp_path / "a.safetensors", tensors=lambda name, tensor: tensor.double())
    assert load_generator(same).fingerprint == wanted  # the same numbers, however they are stored
    half = rewritten(mine, tmp_path / "b.safetensors", tensors=lambda name, tensor: tensor.half())
    assert load_generator(half).fingerprint != wanted
    for name in load_file(mine):
        touched = rewritten(
            mine,
            tmp_path / "c.safetensors",
            tensors=lambda n, tensor: tensor + 0.5 * (n == name),  # noqa: B023
        )
        assert inspect_checkpoint(touched).fingerprint != wanted, name
    options = json.loads(read_safetensors(mine)[1]["options"])
    clamped = json.dumps(options | {"conv_clamp": 0.25})
    assert load_generator(rewritten(mine, tmp_path / "d.safetensors", options=clamped)).fingerprint != wanted


def test_a_module_is_known_by_its_structure_too():
    plain, leaky = dcgan(), dcgan(activation=lambda: torch.nn.LeakyReLU(0.2))
    assert wrap_generator(plain, 12).fingerprint != wrap_generator(leaky, 12).fingerprint
    assert wrap_generator(plain, 12).fingerprint != wrap_generator(plain, 12, picture_range=(0, 1)).fingerprint


def test_external_data_of_onnx_counts(tmp_path):
    folder = write_onnx(tmp_path / "one")
    first = load_generator(folder / "g.onnx")
    assert first.synthesize(first.sample(1, seed=0)).abs().max() > 0
    assert load_generator(shutil.copytree(folder, tmp_path / "copy") / "g.onnx").fingerprint == first.fingerprint
    (folder / "g.onnx.data").write_bytes(bytes(8) + (folder / "g.onnx.data").read_bytes()[8:])
    second = load_generator(folder / "g.onnx")
    assert sha256_of(folder / "g.onnx") == sha256_of(tmp_path / "copy" / "g.onnx")
    assert second.fingerprint != first.fingerprint != sha256_of(folder / "g.onnx")
    assert load_generator(folder / "g.onnx", recorded=sha256_of(folder / "g.onnx")).fingerprint == second.fingerprint
    (folder / "g.onnx.data").unlink()
    with pytest.raises(TlganError, match=r"keeps its numbers in 'g\.onnx\.data', which is not beside it"):
        load_generator(folder / "g.onnx")


def write_onnx(folder: Path) -> Path:
    """z [n, 12] -> pictures [n, 3, 8, 8], its numbers in g.onnx.data."""
    folder.mkdir()
    helper = onnx.helper
    weight = np.random.default_rng(0).normal(size=(12, 192)).astype(np.float32)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["z", "weight"], ["mixed"]),
            helper.make_node("Reshape", ["mixed", "shape"], ["picture"]),
        ],
        "g",
        [value("z", 1, ["n", 12])],
        [value("picture", 1, ["n", 3, 8, 8])],
        [
            onnx.numpy_helper.from_array(weight, "weight"),
            onnx.numpy_helper.from_array(np.int64([-1, 3, 8, 8]), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "g.onnx", save_as_external_data=True, location="g.onnx.data", size_threshold=1024)
    return folder


# -- workspaces ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    settings = Settings(str(snapshot(folder / "mine.pkl")), extractors=("colour",), base=(), max_samples=600)
    discover(folder / "ws", settings)
    return folder


@pytest.fixture
def home(made, tmp_path):
    """A copy of a workspace, its generator and another one."""
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


def names(workspace: Path, ref: Path, sha256: str | None = None) -> None:
    """Edit tlgan.toml as a person, or an earlier version, would have."""
    text = (workspace / "tlgan.toml").read_text()
    settings = open_workspace(workspace).settings
    text = text.replace(settings.generator, str(ref))
    (workspace / "tlgan.toml").write_text(text.replace(settings.sha256, sha256 or settings.sha256))


def test_a_workspace_takes_the_conversion_of_its_generator_and_no_other(home):
    mine = convert_checkpoint(home / "mine.pkl", home / "mine.safetensors")
    other = convert_checkpoint(snapshot(home / "other.pkl", seed=5), home / "other.safetensors")
    stated = json.dumps({"fingerprint": open_workspace(home / "ws").settings.sha256})
    forged = rewritten(other, home / "forged.safetensors", source=stated)
    assert move_generator(home / "ws", str(mine)).settings.generator == str(mine)
    assert open_workspace(home / "ws").face(0).picture().any()
    with pytest.raises(TlganError, match=r"is another generator .* move-generator .* --accept"):
        move_generator(home / "ws", str(forged))
    assert open_workspace(home / "ws").settings.generator == str(mine)
    names(home / "ws", forged)
    with pytest.raises(TlganError, match="is another generator"):
        _ = open_workspace(home / "ws").generator


def test_a_workspace_of_an_earlier_version_opens_with_its_own_file(home):
    axes = open_workspace(home / "ws").axes
    before = sha256_of(home / "mine.pkl")  # all that was recorded then
    names(home / "ws", home / "mine.pkl", before)
    replace(axes, generator=before).save(home / "ws" / "axes.safetensors")
    workspace = open_workspace(home / "ws")
    assert workspace.generator.fingerprint == before
    assert workspace.face(0).picture().any()
    mine = convert_checkpoint(home / "mine.pkl", home / "mine.safetensors")
    with pytest.raises(TlganError, match="is another generator"):  # what it is a copy of can't be computed from it
        move_generator(home / "ws", str(mine))
    moved = move_generator(home / "ws", str(mine), accept=True)
    assert moved.settings.accepted == (load_generator(mine).fingerprint,)
    assert open_workspace(home / "ws").face(0).picture().any()


def test_another_extractor_under_the_same_reference_is_refused(home):
    text = (home / "ws" / "tlgan.toml").read_text()
    assert open_workspace(home / "ws").settings.extractor_sha256 == ()  # code of the package has none
    feature = Feature("pale", "quantity")
    for number, seed in enumerate((1, 2)):
        torch.manual_seed(seed)
        network = ARCHITECTURES["plain"](1)
        save_trained(home / f"{number}.safetensors", network, [feature], [], "plain", 64)
    first, second = (load_extractor(str(home / f"{number}.safetensors")) for number in (0, 1))
    (home / "ws" / "extractors").mkdir()
    kept = home / "ws" / "extractors" / "mine.safetensors"
    refs = f'refs = ["extractors/mine.safetensors"]\nsha256 = {{"extractors/mine.safetensors" = "{first.fingerprint}"}}'
    (home / "ws" / "tlgan.toml").write_text(text.replace('refs = ["colour"]', refs))
    shutil.copy(home / "0.safetensors", kept)
    assert open_workspace(home / "ws").extractor.parts[0].fingerprint == first.fingerprint != second.fingerprint
    shutil.copy(home / "1.safetensors", kept)
    with pytest.raises(TlganError, match=r"extractor extractors/mine\.safetensors is another one"):
        _ = open_workspace(home / "ws").extractor


def test_another_precision_is_taken_on_a_persons_word(home):
    mine = convert_checkpoint(home / "mine.pkl", home / "mine.safetensors")
    half = rewritten(mine, home / "half.safetensors", tensors=lambda name, tensor: tensor.half())
    with pytest.raises(TlganError, match="is another generator"):
        move_generator(home / "ws", str(half))
    move_generator(home / "ws", str(half), accept=True)
    settings = open_workspace(home / "ws").settings
    assert settings.accepted == (load_generator(half).fingerprint,)
    assert discover(home / "ws", settings).settings.accepted == settings.accepted  # the same command goes on
    wide = official.write(home / "wide.pkl", {"G_ema": official.stylegan3(4)})
    with pytest.raises(TlganError, match=r"latents in w, the axes of .* have"):
        move_generator(home / "ws", str(wide), accept=True)
