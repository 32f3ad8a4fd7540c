"""A stranger's ONNX file is tried under limits before this process loads it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.generators import load_generator
from tlgan.io import trial, trial_child
from tlgan.io.trial import Limits, try_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
LITTLE = Limits(seconds=1, bytes=3 * 2**28)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(path: Path, nodes=(), constants=(), takes=("n", 12), paints=("n", 3, 2, 2)) -> Path:
    """Latents [n, 12] -> pictures of 2 pixels, to which the sum of "big" is added where `nodes` make such a tensor."""
    summed = [
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["z", "sum"], ["added"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*nodes, *(summed if nodes else ()), helper.make_node("Reshape", ["added" if nodes else "z", "shape"], ["x"])],
        "g",
        [value("z", 1, list(takes))],
        [value("x", 1, list(paints))],
        [numpy_helper.from_array(np.int64([-1, 3, 2, 2]), "shape"), *constants],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def product(path: Path, side: int) -> Path:
    """The product of two constant matrices, which the runtime computes as it makes the session."""
    one = helper.make_tensor("value", 1, [1], [1.0])
    nodes = [
        helper.make_node("ConstantOfShape", ["side"], ["a"], value=one),
        helper.make_node("MatMul", ["a", "a"], ["big"]),
    ]
    return write(path, nodes, [numpy_helper.from_array(np.int64([side, side]), "side")])


def doublings(path: Path, count: int, *, of_latents: bool = False) -> Path:
    """A tensor that is joined to itself `count` times: constant, or made of the latents."""
    first = helper.make_node("Constant", [], ["d0"], value=numpy_helper.from_array(np.ones(1024, np.float32)))
    if of_latents:
        first = helper.make_node("Reshape", ["z", "flat"], ["d0"])
    nodes = [first]
    nodes += [helper.make_node("Concat", [f"d{i}", f"d{i}"], [f"d{i + 1}"], axis=0) for i in range(count)]
    nodes.append(helper.make_node("Identity", [f"d{count}"], ["big"]))
    return write(path, nodes, [numpy_helper.from_array(np.int64([-1]), "flat")])


def endless(path: Path) -> Path:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["on_"]), helper.make_node("Identity", ["x"], ["x_"])],
        "body",
        [value("i", 7, []), value("on", 9, []), value("x", 1, None)],
        [value("on_", 9, []), value("x_", 1, None)],
    )
    nodes = [helper.make_node("Loop", ["", "yes", "z"], ["big"], body=body)]
    return write(path, nodes, [numpy_helper.from_array(np.array(True), "yes")])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: product(path, 60_000), "has a tensor of 3.6e.09 numbers"),
        (lambda path: product(path, 9_000), "asks for more"),
        (lambda path: doublings(path, 34), "has a tensor of .* numbers"),
        (lambda path: doublings(path, 20), "asks for more memory"),
        (lambda path: doublings(path, 30, of_latents=True), "asks for more memory"),
        (endless, "asks for more processor time"),
        (lambda path: write(path, takes=(10**9, 12)), "has a tensor of 1.2e.10 numbers"),
        (lambda path: write(path, takes=(100_000, 12)), "takes batches of exactly 100000"),
    ],
    ids=["product", "smaller product", "doublings", "fewer", "of latents", "endless", "batch", "smaller batch"],
)
def test_a_file_that_asks_for_too_much_ends_in_one_line(tmp_path, monkeypatch, make, expected):
    monkeypatch.setattr(trial, "Limits", lambda: LITTLE)
    path = make(tmp_path / "g.onnx")
    with pytest.raises(TlganError, match=rf"^g\.onnx {expected}") as caught:
        load_generator(path)
    assert "\n" not in str(caught.value)


def test_an_extractor_that_asks_for_too_much_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "Limits", lambda: LITTLE)
    for make, expected in ((product, "has a tensor of 3.6e.09 numbers"), (doublings, "asks for more memory")):
        path = make(tmp_path / "m.onnx", 60_000 if make is product else 20)
        with pytest.raises(TlganError, match=rf"^m\.onnx {expected}"):
            load_extractor(str(path))


def test_what_has_passed_is_not_tried_again(tmp_path, monkeypatch, cache):
    path = write(tmp_path / "g.onnx")
    assert load_generator(path).resolution == 2
    assert len(list((cache / "trials").iterdir())) == 1
    monkeypatch.setattr(trial, "_child", lambda *given: pytest.fail("tried again"))
    assert load_generator(path).resolution == 2
    monkeypatch.setattr(trial, "_child", lambda *given: {"problem": "is tried"})
    with pytest.raises(TlganError, match="is tried"):
        load_generator(doublings(path, 2))
    assert load_generator(path, trust=True).resolution == 2


def test_the_child_gets_neither_secrets_nor_modules_of_the_folder(tmp_path, monkeypatch):
    planted = tmp_path / "planted"
    planted.mkdir()
    for module in ("onnx", "onnxruntime", "json", "resource", "sitecustomize"):
        (planted / f"{module}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    path = write(planted / "g.onnx")
    monkeypatch.chdir(planted)
    monkeypatch.setenv("PYTHONPATH", str(planted))
    monkeypatch.setenv("SECRET", "word")
    seen: dict[str, Any] = {}
    run = subprocess.run

    def watched(command, **options):
        seen.update(options, command=command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", watched)
    assert load_generator(path).resolution == 2
    assert not (tmp_path / "ran").exists()
    assert os.path.isabs(seen["command"][0])
    assert "-I" in seen["command"]
    assert not {"SECRET", "PYTHONPATH"} & set(seen["env"])
    assert Path(seen["cwd"]) != planted


@pytest.mark.parametrize("place", ["../weights", "/etc/hostname", "C:\\weights", "a/../../weights"])
def test_numbers_outside_the_folder_are_refused(tmp_path, place):
    (tmp_path / "weights").write_bytes(bytes(4096))
    (tmp_path / "in").mkdir()
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[1024], data_location=1)
    tensor.external_data.add(key="location", value=place)
    # in a constant of a subgraph, where a reader of initializers alone would not find it
    inner = helper.make_graph([helper.make_node("Constant", [], ["big"], value=tensor)], "inner", [], [])
    inner.output.add(name="big").type.tensor_type.elem_type = 1
    nodes = [helper.make_node("If", ["yes"], ["big"], then_branch=inner, else_branch=inner)]
    path = write(tmp_path / "in" / "g.onnx", nodes, [numpy_helper.from_array(np.array(True), "yes")])
    with pytest.raises(TlganError, match="keeps its numbers outside its own folder"):
        load_generator(path)
    with pytest.raises(TlganError, match="keeps its numbers outside its own folder"):
        load_generator(path, trust=True)


def test_a_child_that_dies_is_one_line(tmp_path, monkeypatch):
    path = write(tmp_path / "g.onnx")
    child = tmp_path / "child.py"
    monkeypatch.setattr(trial_child, "__file__", str(child))
    child.write_text("import os; os.abort()")
    with pytest.raises(TlganError, match=r"^g\.onnx ended the process that tried it \(status -6"):
        try_onnx(path, "g.onnx", rows=(1,), side=8)
    child.write_text("print('[]')")
    with pytest.raises(TlganError, match="ended the process"):
        try_onnx(path, "g.onnx", rows=(1,), side=8)
