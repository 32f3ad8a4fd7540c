"""The door and the contract: what load_extractor takes, and what it refuses in one line."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch

from tlgan.errors import TlganError
from tlgan.extractors import Extractor, Feature, load_extractor, registry
from tlgan.io import permission
from tlgan.workspace import Settings, Workspace


def mean_red(images):
    return images[:, 0].mean(dim=(1, 2))


@pytest.fixture
def pictures():
    return torch.rand(5, 3, 40, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("my_extractors")
    monkeypatch.setattr(made, "mean_red", mean_red, raising=False)
    monkeypatch.setitem(sys.modules, "my_extractors", made)
    return made


@pytest.mark.parametrize("name", ["celeba40", "judge40", "colour"])
def test_built_in_extractors_keep_the_contract(name, pictures):
    extractor = load_extractor(name)
    assert isinstance(extractor, Extractor)
    assert extractor.differentiable
    assert extractor.name == name
    assert extractor.input_size == 64
    names = [feature.name for feature in extractor.features]
    assert len(set(names)) == len(names)
    assert all(f.label and f.low and f.high and f.group for f in extractor.features)
    values = extractor.extract(pictures)
    assert values.dtype == torch.float32
    assert values.shape == (5, len(names))
    assert torch.isfinite(values).all()
    probability = torch.tensor([f.kind == "probability" for f in extractor.features])
    assert ((values[:, probability] >= 0) & (values[:, probability] <= 1)).all()
    assert extractor.extract(pictures[:0]).shape == (0, len(names))


def test_an_extractor_is_passed_through():
    extractor = load_extractor("colour")
    assert load_extractor(extractor) is extractor
    with pytest.raises(TlganError, match="already made"):
        load_extractor(extractor, name="other")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(TlganError, match=r"unknown extractor 'celeba41'.*celeba40.*colour.*module:function"):
        load_extractor("celeba41")


@pytest.mark.parametrize("ref", ["no_such_module_at_all:f", "math:no_such_function"])
def test_a_reference_that_cannot_be_imported_says_so(ref):
    with pytest.raises(TlganError, match="can't be imported"):
        load_extractor(ref)


def test_something_that_is_no_extractor_is_refused():
    with pytest.raises(TlganError, match="not an extractor"):
        load_extractor(3)
    with pytest.raises(TlganError, match="not an extractor"):
        load_extractor("math:pi")


def test_options_that_nobody_takes_are_refused():
    with pytest.raises(TlganError, match="does not take these options"):
        load_extractor("colour", sharpness=3)


def test_function_by_reference(module, pictures):
    extractor = load_extractor("my_extractors:mean_red")
    assert [f.name for f in extractor.features] == ["mean_red"]
    assert extractor.features[0].kind == "quantity"
    torch.testing.assert_close(extractor.extract(pictures)[:, 0], pictures[:, 0].mean(dim=(1, 2)))
    assert not extractor.differentiable


def test_a_class_by_reference_is_made(module, pictures):
    class Constant:
        def __init__(self, value=0.25):
            self.name, self.input_size, self.value = "constant", None, value
            self.features = (Feature("constant", "quantity"),)

        def extract(self, images):
            return torch.full((len(images), 1), self.value)

    module.Constant = Constant
    assert load_extractor("my_extractors:Constant", value=0.5).extract(pictures)[0, 0] == 0.5


def test_mapping_and_numpy_results(pictures):
    extractor = load_extractor(lambda x: {"red": x[:, 0].mean((1, 2)).numpy(), "blue": x[:, 2].mean((1, 2))})
    assert [f.name for f in extractor.features] == ["red", "blue"]
    np.testing.assert_allclose(extractor.extract(pictures)[:, 1], pictures[:, 2].mean((1, 2)), rtol=1e-6)


def test_declared_features_and_kinds(pictures):
    extractor = load_extractor(
        lambda x: torch.sigmoid(x.mean((2, 3))[:, :2]),
        name="pair",
        features=["bright", Feature("green", "quantity", unit="share")],
        kind="probability",
    )
    assert [(f.name, f.kind, f.label) for f in extractor.features] == [
        ("bright", "probability", "Bright"),
        ("green", "quantity", ""),
    ]
    with pytest.raises(TlganError, match="twice"):
        load_extractor(lambda x: x.mean((2, 3))[:, :2], features=["a", "a"])
    with pytest.raises(TlganError, match=r"shape \[2, 3\] for 2 pictures: expected \[2, 2\]"):
        load_extractor(lambda x: x.mean((2, 3)), features=["a", "b"])


def test_a_network_is_put_in_eval_mode_and_can_be_differentiated(pictures):
    network = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.BatchNorm1d(3),
        torch.nn.Linear(3, 2),
        torch.nn.Sigmoid(),
    )
    extractor = load_extractor(network, features=["a", "b"], kind="probability", input_size=16)
    assert not network.training
    assert extractor.differentiable
    pictures.requires_grad_(True)
    logits = extractor.logits(pictures)
    torch.testing.assert_close(logits.sigmoid().detach(), extractor.extract(pictures), rtol=1e-5, atol=1e-6)
    logits.sum().backward()
    assert pictures.grad.abs().sum() > 0


def test_grey_pictures_and_input_size(pictures):
    seen = []

    def look(x):
        seen.append(tuple(x.shape))
        return x.mean((1, 2, 3))

    load_extractor(look, input_size=24).extract(pictures[:, :1])
    assert seen[-1] == (5, 3, 24, 24)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.zeros(3, 8, 8), "got shape"),
        (torch.zeros(2, 4, 8, 8), "1 or 3 channels"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (np.zeros((2, 3, 8, 8), np.float32), "ndarray"),
    ],
)
@pytest.mark.parametrize("name", ["celeba40", "colour", "callable"])
def test_wrong_pictures_are_refused(name, given, message):
    extractor = load_extractor(mean_red if name == "callable" else name)
    with pytest.raises(TlganError, match=message):
        extractor.extract(given)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value, pictures):
    def sometimes(x):
        y = x.mean((1, 2, 3))
        if len(x) == 5:
            y[3] = value
        return y

    with pytest.raises(TlganError, match="picture 3"):
        load_extractor(sometimes, name="sometimes").extract(pictures)
    assert torch.isfinite(load_extractor(sometimes).extract(pictures[:4])).all()


def test_nan_in_a_picture_is_not_passed_on(pictures):
    pictures[2, 0, 0, 0] = float("nan")
    with pytest.raises(TlganError, match="picture 2"):
        load_extractor("celeba40").extract(pictures)


def test_a_shape_that_changes_after_the_first_look_is_refused(pictures):
    with pytest.raises(TlganError, match=r"shape \[4, 1\] for 5 pictures"):
        load_extractor(lambda x: x.mean((1, 2, 3))[: 2 if len(x) == 2 else -1]).extract(pictures)


def test_a_probability_outside_its_range_is_refused(pictures):
    extractor = load_extractor(lambda x: x.mean((1, 2, 3)) + 3, kind="probability")
    with pytest.raises(TlganError, match="apply the sigmoid"):
        extractor.extract(pictures)


@pytest.mark.parametrize(("name", "kind"), [("Smile", "quantity"), ("big smile", "quantity"), ("smile", "logit")])
def test_a_feature_is_checked(name, kind):
    with pytest.raises(TlganError):
        Feature(name, kind)


def test_entry_points_are_known(monkeypatch, module):
    from importlib.metadata import EntryPoint

    from tlgan import hooks
    from tlgan.extractors import registry

    module.make = lambda: load_extractor(mean_red, name="theirs")
    point = EntryPoint("theirs", "my_extractors:make", hooks.EXTRACTORS.group)
    monkeypatch.setattr(hooks, "entry_points", lambda group: [point] if group == hooks.EXTRACTORS.group else [])
    assert load_extractor("theirs").name == "theirs"
    assert "theirs" in registry.known_extractors()
    broken = EntryPoint("theirs", "no_such_module_at_all:make", hooks.EXTRACTORS.group)
    monkeypatch.setattr(hooks, "entry_points", lambda group: [broken])
    with pytest.raises(TlganError, match="can't be imported"):
        load_extractor("theirs")


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A module in the working folder that leaves a trace when it is imported, and an empty cache."""
    name = f"stranger_{tmp_path.name.replace('-', '_')}"
    trace = tmp_path / "imported"
    lines = [f"open({str(trace)!r}, 'w').close()", "def grey(pictures):", "    return pictures.mean((1, 2, 3))"]
    (tmp_path / f"{name}.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(permission, "_here_and_now", set())
    return f"{name}:grey", trace


def test_what_a_file_names_is_not_run_before_somebody_here_names_it(stranger, monkeypatch):
    ref, trace = stranger
    with pytest.raises(TlganError, match="nobody has named"):
        registry.load_stored(ref)
    assert not trace.exists()
    assert load_extractor(ref).features[0].name == "grey"  # found in the working folder
    monkeypatch.setattr(permission, "_here_and_now", set())  # the next process
    assert registry.load_stored(ref).features[0].name == "grey"


def test_what_is_trusted_is_run(stranger):
    ref, trace = stranger
    assert registry.load_stored(ref, trust=True).features[0].name == "grey"
    assert trace.exists()


def test_a_workspace_of_a_stranger_runs_nothing(stranger, tmp_path):
    ref, trace = stranger
    settings = Settings("face64", extractors=("colour", ref))
    with pytest.raises(TlganError, match="nobody has named"):
        _ = Workspace(tmp_path, settings).extractor
    assert not trace.exists()
