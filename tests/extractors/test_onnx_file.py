"""ONNX files as extractors: what they want is found or given, and a file that does not fit is one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tlgan.errors import TlganError
from tlgan.extractors import Extractor, load_extractor
from tlgan.extractors.description import read_description
from tlgan.extractors.onnx_file import framed
from tlgan.io.hub import sha256_of
from tlgan.workspace.importing import import_extractor

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def write_model(
    path: Path,
    *,
    shape: tuple[object, ...] = ("n", 3, 8, 8),
    dtype: int = TensorProto.FLOAT,
    weights: np.ndarray | None = None,
    end: str = "",
    inputs: int = 1,
    outputs: int = 1,
    own_scale: tuple[float, float] | None = None,
    metadata: str = "",
    reshape_to: tuple[int, ...] | None = None,
) -> Path:
    """A model that reads the mean of every channel: outputs = end(means @ weights [3, k])."""
    weights = np.eye(3, dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    channels_last = shape[3] in (1, 3)
    nodes, initializers, current = [], [numpy_helper.from_array(weights, "weights")], "images"
    if dtype != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [current], ["cast"], to=TensorProto.FLOAT))
        current = "cast"
    if own_scale is not None:
        for name, value in zip(("own_mean", "own_sd"), own_scale, strict=True):
            initializers.append(numpy_helper.from_array(np.float32([value]), name))
        nodes += [
            helper.make_node("Sub", [current, "own_mean"], ["less"]),
            helper.make_node("Div", ["less", "own_sd"], ["scaled"]),
        ]
        current = "scaled"
    initializers.append(numpy_helper.from_array(np.int64([1, 2] if channels_last else [2, 3]), "places"))
    nodes.append(helper.make_node("ReduceMean", [current, "places"], ["means"], keepdims=0))
    nodes.append(helper.make_node("MatMul", ["means", "weights"], ["sums"]))
    last = "sums"
    if end:
        nodes.append(helper.make_node(end, [last], ["ended"], **({"axis": -1} if end == "Softmax" else {})))
        last = "ended"
    if reshape_to is not None:
        initializers.append(numpy_helper.from_array(np.int64(reshape_to), "shape"))
        nodes.append(helper.make_node("Reshape", [last, "shape"], ["reshaped"]))
        last = "reshaped"
    nodes += [helper.make_node("Identity", [last], [f"out{i}"]) for i in range(outputs)]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images" if i == 0 else f"more{i}", dtype, list(shape)) for i in range(inputs)],
        [helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, None) for i in range(outputs)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if metadata:
        helper.set_model_props(model, {"tlgan.extractor": metadata})
    onnx.save(model, str(path))
    return path


def red(n: int = 2, side: int = 8) -> torch.Tensor:
    """Pictures of full red, half green and no blue."""
    picture = torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1)
    return picture.expand(n, 3, side, side).contiguous()


def write_labels(folder: Path, *labels: str) -> Path:
    path = folder / "labels.txt"
    path.write_text("\n".join(labels) + "\n")
    return path


# -- what is found ---------------------------------------------------------------------------------------------


def test_multi_label_with_labels_and_imagenet_scaling(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", end="Sigmoid")
    extractor = load_extractor(str(path), labels=write_labels(tmp_path, "Red Hat", "green", "blue"))
    assert isinstance(extractor, Extractor)
    assert [f.name for f in extractor.features] == ["red_hat", "green", "blue"]
    assert {f.kind for f in extractor.features} == {"probability"}
    mean, sd = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = 1 / (1 + np.exp(-((np.array([1.0, 0.5, 0.0]) - mean) / sd)))
    np.testing.assert_allclose(extractor.extract(red())[0].numpy(), expected, atol=1e-5)
    assert any("ImageNet" in words for words in extractor.assumed)  # type: ignore[attr-defined]


def test_a_graph_that_scales_its_input_itself_gets_raw_pictures(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", own_scale=(127.5, 127.5))
    extractor = load_extractor(str(path), kind="numbers")
    np.testing.assert_allclose(extractor.extract(red())[0].numpy(), [1, 0, -1], atol=1e-6)
    path = write_model(tmp_path / "unit.onnx", own_scale=(0.5, 0.5))
    extractor = load_extractor(str(path), kind="numbers")
    np.testing.assert_allclose(extractor.extract(red())[0].numpy(), [1, 0, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (("n", 8, 8, 3), TensorProto.FLOAT),
        (("n", 3, 6, 10), TensorProto.FLOAT),
        ((4, 3, 8, 8), TensorProto.FLOAT),
        (("n", 3, 8, 8), TensorProto.UINT8),
        (("n", 8, 8, 3), TensorProto.UINT8),
        (("n", 3, 8, 8), TensorProto.FLOAT16),
    ],
)
def test_layouts_types_and_fixed_batches(tmp_path: Path, shape: tuple[object, ...], dtype: int) -> None:
    path = write_model(tmp_path / "m.onnx", shape=shape, dtype=dtype, own_scale=(127.5, 127.5))
    extractor = load_extractor(str(path), kind="numbers")
    values = extractor.extract(red(5, side=20))
    np.testing.assert_allclose(values.numpy(), np.tile([1, 0, -1], (5, 1)), atol=5e-3)
    assert extractor.extract(torch.zeros(0, 3, 8, 8)).shape == (0, 3)


def test_grey_pictures_and_a_grey_model(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", shape=("n", 1, 8, 8), weights=[[2.0]], own_scale=(127.5, 127.5))
    extractor = load_extractor(str(path), kind="numbers")
    assert extractor.extract(torch.full((1, 1, 8, 8), 0.5)).item() == pytest.approx(1.0, abs=1e-5)
    assert extractor.extract(red(1)).item() == pytest.approx(2 * (0.299 - 0.114), abs=1e-5)


def test_an_open_size_is_asked_for(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", shape=("n", 3, "h", "w"), own_scale=(127.5, 127.5))
    with pytest.raises(TlganError, match="--size"):
        load_extractor(str(path), kind="numbers")
    assert load_extractor(str(path), kind="numbers", size=12).input_size == 12
    fixed = write_model(tmp_path / "fixed.onnx", own_scale=(127.5, 127.5))
    with pytest.raises(TlganError, match="8x8, not 12"):
        load_extractor(str(fixed), kind="numbers", size=12)


def test_classes_of_one_softmax(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", end="Softmax", own_scale=(127.5, 127.5))
    values = load_extractor(str(path), labels=["a", "b", "c"]).extract(red())
    expected = np.exp([1, 0, -1]) / np.exp([1, 0, -1]).sum()
    np.testing.assert_allclose(values[0].numpy(), expected, atol=1e-5)
    logits = write_model(tmp_path / "l.onnx", own_scale=(127.5, 127.5))
    np.testing.assert_allclose(
        load_extractor(str(logits), labels=["a", "b", "c"], kind="classes").extract(red())[0].numpy(),
        expected,
        atol=1e-5,
    )


def test_two_classes_are_one_slider(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", end="Softmax", weights=[[0, 1], [0, 0], [0, 0]], own_scale=(127.5, 127.5))
    (feature,) = load_extractor(str(path), labels=["bare", "hat"]).features
    assert (feature.name, feature.low, feature.high) == ("hat", "bare", "hat")


def test_logits_need_a_word(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", weights=np.eye(3) * 9, own_scale=(127.5, 127.5))
    with pytest.raises(TlganError, match=r"plain numbers.*--kind"):
        load_extractor(str(path), labels=["a", "b", "c"])
    values = load_extractor(str(path), labels=["a", "b", "c"], kind="multi-label").extract(red())
    np.testing.assert_allclose(values[0].numpy(), 1 / (1 + np.exp([-9, 0, 9])), atol=1e-4)
    with pytest.raises(TlganError, match="kind 'both' is unknown"):
        load_extractor(str(path), kind="both")


# -- what is given ---------------------------------------------------------------------------------------------

AGE = """
[input]
range = [0, 255]
mean = [127.5, 127.5, 127.5]
sd = 127.5
colour = "BGR"

[[feature]]
name = "age"
kind = "quantity"
unit = "years"
activation = "softmax"
weights = [10, 20, 30]

[[feature]]
name = "blue"
kind = "quantity"
column = 0
scale = 2.0
offset = 1.0
low = "yellow"
group = "Colour"
"""


def test_a_toml_beside_the_file_maps_heads_to_features(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    path.with_suffix(".toml").write_text(AGE)
    extractor = load_extractor(str(path))
    shares = np.exp([-1, 0, 1]) / np.exp([-1, 0, 1]).sum()  # BGR: the channels come backwards
    np.testing.assert_allclose(extractor.extract(red())[0].numpy(), [shares @ [10, 20, 30], -1.0], atol=1e-4)
    age, blue = extractor.features
    assert (age.unit, age.label, blue.low, blue.group) == ("years", "Age", "yellow", "Colour")


def test_a_description_may_stand_for_the_model(tmp_path: Path) -> None:
    write_model(tmp_path / "m.onnx")
    (tmp_path / "years.toml").write_text('model = "m.onnx"\n' + AGE)
    by_toml = load_extractor(str(tmp_path / "years.toml"))
    assert by_toml.name.startswith("years-")
    assert by_toml.extract(red()).shape == (2, 2)
    (tmp_path / "pinned.toml").write_text(f'model = "m.onnx"\nsha256 = "{"0" * 64}"\n' + AGE)
    with pytest.raises(TlganError, match="expected 0000"):
        load_extractor(str(tmp_path / "pinned.toml"))


def test_a_description_inside_the_file(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", metadata=AGE)
    assert [feature.name for feature in load_extractor(str(path)).features] == ["age", "blue"]


def test_what_was_found_can_be_written_down_and_read_again(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", end="Sigmoid")
    first = load_extractor(str(path), labels=["a", "b", "c"])
    text = first.description.to_toml()  # type: ignore[attr-defined]
    (tmp_path / "again.toml").write_text(text)
    np.testing.assert_array_equal(
        load_extractor(str(tmp_path / "again.toml")).extract(red()).numpy(), first.extract(red()).numpy()
    )
    assert read_description(text, "x").heads == first.description.heads  # type: ignore[attr-defined]


def test_a_crop_is_the_alignment_of_another_framing() -> None:
    picture = torch.zeros(1, 3, 10, 10)
    picture[..., 2:8, 2:8] = 1.0
    assert framed(picture, (0.2, 0.2, 0.8, 0.8), 4, 4).min() == 1.0
    wide = framed(picture, (-0.5, -0.5, 1.5, 1.5), 20, 20)
    torch.testing.assert_close(wide[..., 5:15, 5:15], picture)
    assert wide[..., :5, :].max() == 0.0


# -- what does not fit -----------------------------------------------------------------------------------------


def test_two_inputs_are_one_clear_line(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", inputs=2)
    with pytest.raises(TlganError, match=r"m\.onnx has 2 inputs .*more1.* expected one") as caught:
        load_extractor(str(path))
    assert "\n" not in str(caught.value)


def test_two_outputs_want_a_toml(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", outputs=2, own_scale=(127.5, 127.5))
    with pytest.raises(TlganError, match=r"2 outputs \(out0, out1\): say in m\.toml"):
        load_extractor(str(path), kind="numbers")
    path.with_suffix(".toml").write_text(
        '[[feature]]\nname = "green"\nkind = "quantity"\noutput = "out1"\ncolumn = 1\n'
    )
    assert load_extractor(str(path)).extract(red())[0].item() == pytest.approx(0.0, abs=1e-6)
    path.with_suffix(".toml").write_text('[[feature]]\nname = "green"\noutput = "out7"\n')
    with pytest.raises(TlganError, match="no output 'out7': it has out0, out1"):
        load_extractor(str(path))


def test_maps_in_place_of_rows(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", reshape_to=(-1, 3, 1))
    assert load_extractor(str(path), kind="numbers").extract(red()).shape == (2, 3)
    path = write_model(tmp_path / "bad.onnx", reshape_to=(1, -1))
    with pytest.raises(TlganError, match=r"expected rows of numbers \[4, k\]"):
        load_extractor(str(path), kind="numbers")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"shape": ("n", 3, 8)}, "expected a batch of pictures"),
        ({"dtype": TensorProto.INT64}, "expected a batch of pictures"),
        ({"shape": ("n", 4, 8, 8), "weights": np.eye(4)}, "4 channels"),
    ],
)
def test_inputs_that_are_no_pictures(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    if changes.get("shape") == ("n", 3, 8):
        graph = helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        )
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "m.onnx"
        )
    else:
        write_model(tmp_path / "m.onnx", **changes)
    with pytest.raises(TlganError, match=expected):
        load_extractor(str(tmp_path / "m.onnx"), kind="numbers")


def test_labels_that_do_not_count_up(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", end="Sigmoid")
    with pytest.raises(TlganError, match=r"2 labels, but m\.onnx gives 3"):
        load_extractor(str(path), labels=write_labels(tmp_path, "a", "b"))
    with pytest.raises(TlganError, match="'a' twice"):
        load_extractor(str(path), labels=["a", "A", "b"])
    with pytest.raises(TlganError, match="is empty"):
        load_extractor(str(path), labels=write_labels(tmp_path, ""))
    with pytest.raises(TlganError, match="can't be read"):
        load_extractor(str(path), labels=tmp_path / "nowhere.txt")


def test_nan_from_a_model_is_named(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", weights=np.full((3, 1), np.nan))
    with pytest.raises(TlganError, match="gave nan for 'm'"):
        load_extractor(str(path), kind="numbers").extract(red())


def beside(path: Path) -> Path:
    """The same model with its numbers in a file beside it."""
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="m.data", size_threshold=60)
    return path


def test_numbers_beside_the_model_count_and_come_along(tmp_path: Path) -> None:
    path = beside(write_model(tmp_path / "m.onnx", end="Sigmoid"))
    first = load_extractor(str(path))
    (tmp_path / "w").mkdir()
    stored, imported = import_extractor(tmp_path / "w", str(path))
    assert torch.equal(imported.extract(red()), first.extract(red()))
    numbers = bytearray((tmp_path / "m.data").read_bytes())
    numbers[:4] = np.float32(5).tobytes()
    (tmp_path / "m.data").write_bytes(numbers)
    second = load_extractor(str(path))
    assert second.fingerprint != first.fingerprint
    assert second.name != first.name
    (tmp_path / "m.data").unlink()  # the workspace needs neither file
    again = load_extractor(str(tmp_path / "w" / stored))
    assert again.fingerprint == imported.fingerprint
    assert torch.equal(again.extract(red()), first.extract(red()))


def test_a_pin_covers_the_numbers_beside_the_model(tmp_path: Path) -> None:
    path = beside(write_model(tmp_path / "m.onnx", end="Sigmoid"))
    (tmp_path / "a.toml").write_text(f'model = "m.onnx"\nsha256 = "{sha256_of(path)}"\n')
    with pytest.raises(TlganError, match=r"does not cover m\.data, which holds its numbers: write") as caught:
        load_extractor(str(tmp_path / "a.toml"))
    whole = str(caught.value).partition("write ")[2][:64]
    (tmp_path / "a.toml").write_text(f'model = "m.onnx"\nsha256 = "{whole}"\n')
    assert len(load_extractor(str(tmp_path / "a.toml")).features) == 3
    (tmp_path / "a.toml").write_text(f'model = "m.onnx"\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(TlganError, match="it is another file, or damaged"):
        load_extractor(str(tmp_path / "a.toml"))


def test_what_the_numbers_mean_is_part_of_what_an_extractor_is(tmp_path: Path) -> None:
    path = str(write_model(tmp_path / "m.onnx", end="Sigmoid"))
    one, other = load_extractor(path, labels=["a", "b", "c"]), load_extractor(path, labels=["b", "a", "c"])
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" + bytes(50)])
def test_files_that_are_no_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(TlganError, match=r"m\.onnx can't be read as an ONNX model") as caught:
        load_extractor(str(tmp_path / "m.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[input", "not TOML"),
        ("size = 3", "unknown entry 'size'"),
        ("[input]\nsize = 'big'", "input.size"),
        ("[input]\nsd = 0", "input.sd"),
        ("[input]\ncrop = [1, 2]", "input.crop has 2"),
        ("[input]\ncrop = [0.9, 0, 0.1, 1]", "input.crop"),
        ("[input]\nlayout = 'HWC'", "input.layout"),
        ("[[feature]]\nkind = 'quantity'", "no 'name'"),
        ("[[feature]]\nname = 'x'\nkind = 'big'", "kind 'big'"),
        ("[[feature]]\nname = 'x'\ncolumn = 7", "no column 7"),
        ("[[feature]]\nname = 'x'\nweights = [1]", "1 weights"),
        ("[[feature]]\nname = 'x'\nactivation = 'tanh'", "activation 'tanh'"),
        ("[[feature]]\nname = 'x'\n[[feature]]\nname = 'x'", "'x' twice"),
        ("kind = 'magic'", "kind is 'magic'"),
    ],
)
def test_a_mistake_in_the_toml_is_named(tmp_path: Path, text: str, expected: str) -> None:
    path = write_model(tmp_path / "m.onnx", end="Sigmoid")
    path.with_suffix(".toml").write_text(text)
    with pytest.raises(TlganError, match=expected):
        load_extractor(str(path)).extract(red())


def test_a_description_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[[feature]]\nname = 'x'\n")
    with pytest.raises(TlganError, match="names no model"):
        load_extractor(str(tmp_path / "a.toml"))
    with pytest.raises(TlganError, match="can't be read"):
        load_extractor(str(tmp_path / "b.toml"))
