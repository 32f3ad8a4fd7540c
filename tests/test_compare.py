"""Methods beside each other, axes from elsewhere, and directions without labels: end to end on small worlds."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from tests.worlds import HalvesExtractor, halves_networks, halves_settings, halves_workspace, reopen
from tlgan.cli.app import main
from tlgan.editing.state import decode_latent
from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.web.server import create_app
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.compare import Comparison, compare
from tlgan.workspace.discover import discover
from tlgan.workspace.foreign import import_axis, read_direction
from tlgan.workspace.unnamed import add_directions

CHECKPOINTS = Path(__file__).parent / "checkpoints"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return halves_workspace(tmp_path / "halves")


class Judge(HalvesExtractor):
    """The same world, seen by somebody else."""

    name = "judge"


def test_methods_are_judged_beside_each_other(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlgan.extractors.load_extractor", lambda ref: Judge())
    found = compare(
        workspace, methods=["regression", "svm", "mean-difference", "pca"], features=["left", "right_bright"], faces=8,
        plain=100, metrics=["precision"],
    )  # fmt: skip
    (judged,) = found.evaluations
    assert [score.method for score in judged.methods] == ["regression", "svm", "mean-difference", "exact"]
    assert "white" in found.skipped["pca"]
    assert judged["regression"].got.value == pytest.approx(1.5, abs=0.3)
    assert judged["svm"].got.value == pytest.approx(1.5, abs=0.4)
    assert judged["exact"].leak.value < judged["regression"].leak.value + 0.05
    page = (workspace.path / "comparison.html").read_text()
    assert "svm" in page
    assert page.count("<figcaption>regression</figcaption>") == 1  # its matrix of side effects
    assert "pca is left out" in page
    told = json.loads((workspace.path / "comparison.json").read_text())
    assert told == found.to_json() | {"evaluations": told["evaluations"]}


def test_the_page_speaks_the_language_that_was_asked_for(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlgan.extractors.load_extractor", lambda ref: Judge())
    given: dict[str, Any] = {
        "methods": ["svm"],
        "features": ["left", "right_bright"],
        "faces": 4,
        "plain": 64,
        "exact": False,
    }
    compare(workspace, language="zh", **given)
    page = (workspace.path / "comparison.html").read_text("utf-8")
    assert '<html lang="zh">' in page
    assert "线性支持向量机" in page
    for words in ("Methods", "Are the edits clean", "What this is made of", "support vector machine"):
        assert words not in page
    with pytest.raises(TlganError, match="no language 'tlh'"):
        compare(workspace, language="tlh", **given)


def figures(found: Comparison) -> list[Any]:
    """All but the time that edits took."""
    return [replace(score, seconds=0) for evaluation in found.evaluations for score in evaluation.methods]


def test_what_was_measured_once_is_not_measured_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlgan.extractors.load_extractor", lambda ref: trusted())
    looked: list[int] = []
    extract = HalvesExtractor.extract

    def counted(self: HalvesExtractor, images: torch.Tensor) -> torch.Tensor:
        looked.append(len(images))
        return extract(self, images)

    def trusted() -> Judge:
        judge = Judge()
        judge.fingerprint = "a" * 64  # type: ignore[attr-defined]
        return judge

    monkeypatch.setattr(Judge, "extract", counted)
    asked: dict[str, Any] = {"methods": ["regression", "svm"], "features": ["left", "right_bright"], "plain": 100}
    first = compare(workspace, faces=8, exact=False, **asked)
    seen = sum(looked)
    assert seen >= 4 * (100 + 8 + 2 * 2 * 8)  # four views of plain pictures, faces, and two sliders by two methods
    looked.clear()
    again = compare(workspace, faces=8, exact=False, **asked)
    assert looked == []
    assert figures(again) == figures(first)
    assert again.seconds == first.seconds
    # an older entry is told from a damaged one, and that is measured again
    for path in (workspace.path / "measured").glob("*.safetensors"):
        path.write_bytes(b"damaged")
    assert figures(compare(workspace, faces=8, exact=False, **asked)) == figures(first)
    assert sum(looked) == seen


def test_two_judges_are_told_apart_and_on_average(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Inverted(Judge):
        """Sees the left half alone, twice."""

        name = "other"

        def extract(self, images: torch.Tensor) -> torch.Tensor:
            seen = super().extract(images)
            return torch.stack([seen[:, 0], torch.sigmoid(2 * seen[:, 0]), seen[:, 2]], dim=1)

    monkeypatch.setattr("tlgan.extractors.load_extractor", lambda ref: Judge() if ref == "judge" else Inverted())
    found = compare(
        workspace, methods=["regression"], judges=["judge", "other"], features=["left", "right_bright"], faces=8,
        plain=100, exact=False,
    )  # fmt: skip
    one, other, mean = (evaluation["regression"] for evaluation in found.evaluations)
    assert found.evaluations[-1].judge == "judge and other on average"
    assert mean.got.value == pytest.approx((one.got.value + other.got.value) / 2)
    noise = found.noise["regression"]
    assert one.sliders[0].signed[0] == pytest.approx(other.sliders[0].signed[0], abs=1e-4)
    assert noise.target == pytest.approx(abs(one.sliders[1].signed[1] - other.sliders[1].signed[1]) / 2, abs=0.2)
    assert noise.others > 0.1
    assert "on average" in (workspace.path / "comparison.html").read_text()


def test_a_workspace_goes_on_with_the_method_that_found_its_axes(tmp_path: Path) -> None:
    made = halves_workspace(tmp_path / "a", method="mean-difference")
    said: list[str] = []
    again = discover(made.path, halves_settings(), progress=said.append, **halves_networks())
    assert again.axes.found_by == ("mean-difference",) * 3
    assert again.settings.method == "mean-difference"
    assert any("going on with mean-difference" in line for line in said)
    back = discover(made.path, halves_settings(method="regression"), **halves_networks())
    assert (back.axes.found_by, back.settings.method) == ((), "")


# -- files from elsewhere ------------------------------------------------------------------------------------------


def write(folder: Path, kind: str, direction: np.ndarray) -> tuple[Path, int | None]:
    """A direction [d] as the kinds of files that people have hold it."""
    if kind == "boundary":
        np.save(folder / "a.npy", direction[None].astype(np.float32))
        return folder / "a.npy", None
    if kind == "ganspace":
        components = np.stack([np.ones_like(direction), direction])[:, None]
        np.savez(folder / "a.npz", act_comp=np.zeros((2, 3)), lat_comp=components, lat_mean=np.zeros((1, 8)))
        return folder / "a.npz", 1
    if kind == "sefa":
        columns = torch.from_numpy(np.stack([np.ones_like(direction), direction], axis=1)).float()
        torch.save({"ckpt": "some.pt", "eigvec": columns}, folder / "a.pt")
        return folder / "a.pt", 1
    kept = torch.from_numpy(direction)
    torch.save(kept.bfloat16() if kind == "short" else kept.float(), folder / "a.PT")
    return folder / "a.PT", None


@pytest.mark.parametrize("kind", ["boundary", "ganspace", "sefa", "tensor", "short"])
def test_files_that_people_have_are_read(tmp_path: Path, kind: str) -> None:
    direction = np.random.default_rng(0).normal(size=8)
    path, component = write(tmp_path, kind, direction)
    np.testing.assert_allclose(read_direction(path, component), direction, rtol=0.01 if kind == "short" else 1e-6)


def test_an_imported_boundary_moves_its_slider_as_far_as_is_asked(workspace: Workspace, tmp_path: Path) -> None:
    truth = workspace.generator.module.directions[0].numpy()  # type: ignore[attr-defined]
    path, _ = write(tmp_path, "boundary", -37.0 * truth)  # of any length, and the other way round
    found = import_axis(workspace, path, "left")
    assert found.answer < 0
    assert found.cosine > 0.98
    again = reopen(workspace.path)
    assert again.axes.found_by == ("imported from a.npy", "", "")
    face = again.face(seed=3).set(left=1.0)
    assert face.changed()["left"] == pytest.approx(1.0, abs=0.35)
    moved = face.latent - again.canvas.start(3)
    assert abs(moved @ truth) / np.linalg.norm(moved) / np.linalg.norm(truth) > 0.999


def test_an_imported_boundary_moves_its_slider_in_the_studio(workspace: Workspace, tmp_path: Path) -> None:
    truth = workspace.generator.module.directions[0].numpy()  # type: ignore[attr-defined]
    path, _ = write(tmp_path, "boundary", truth)
    import_axis(workspace, path, "left")
    face = {"seed": 5, "asked": {"left": 1.0}, "locks": [], "exact": False}
    with TestClient(create_app(reopen(workspace.path)), base_url="http://127.0.0.1:8000") as studio:
        assert studio.get("/api/describe").json()["features"][0]["name"] == "left"
        words = studio.post("/api/measure", json={"face": face}).json()
        assert words["measured"][0] - words["own"][0] == pytest.approx(1.0, abs=0.35)
        answer = studio.post("/api/solve", json={"face": face}).json()
        png = studio.post("/api/render", json={"face": face}).content
    moved = decode_latent(answer["latent"], 8) - workspace.canvas.start(5)
    assert abs(moved @ truth) / np.linalg.norm(moved) / np.linalg.norm(truth) > 0.999
    picture = np.asarray(Image.open(io.BytesIO(png)))
    plain = workspace.canvas.paint(workspace.canvas.sample(1, seed=5))[0]
    assert picture[:, :8].mean() > plain[:, :8].mean() + 10  # the left half is brighter


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


def test_a_wrong_file_gets_one_line_and_nothing_changes(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = (workspace.path / "axes.safetensors").read_bytes()

    def refused(name: str, match: str, component: int | None = None) -> None:
        with pytest.raises(TlganError, match=match) as told:
            import_axis(workspace, tmp_path / name, "left", component=component)
        assert "\n" not in str(told.value)

    np.save("number.npy", np.float32(1))
    refused("number.npy", "holds one number")
    np.save("whole.npy", np.arange(8))
    refused("whole.npy", "int64 of shape .*expected floating-point")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    Path("huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    refused("huge.npy", "can't be read as an array")
    with zipfile.ZipFile("words.npz", "w") as archive:
        archive.writestr("boundary.npy", "hello")
    refused("words.npz", "is no array")
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("boundary.npy", bytes(2**28 + 1))
    refused("bomb.npz", "256 MB|can't be read as an array")
    torch.save({"boundary": 3}, "none.pt")
    refused("none.pt", "holds no array")
    torch.save(torch.nn.Linear(2, 2), "module.pt")
    refused("module.pt", "expected a tensor")
    np.save("short.npy", np.ones(5))
    refused("short.npy", r"shape \[5\]: .* takes \[8\]")
    truth = workspace.generator.module.directions.numpy()  # type: ignore[attr-defined]
    np.save("across.npy", np.linalg.svd(truth)[2][-1])  # what moves neither half
    refused("across.npy", "changes left by .* another generator or latent space")
    np.save("zero.npy", np.zeros(8))
    refused("zero.npy", "zeros alone")
    np.save("nan.npy", np.full(8, np.nan))
    refused("nan.npy", "no finite numbers")
    np.save("many.npy", np.ones((3, 2, 8)))
    refused("many.npy", "name one with --component")
    refused("many.npy", "has no component 7", 7)
    np.save("objects.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    refused("objects.npy", "without running")
    Path("evil.pt").write_bytes(pickle.dumps(Evil()))
    refused("evil.pt", "evil.pt")
    Path("text.npy").write_text("hello")
    refused("text.npy", "can't be read as an array")
    refused("none.npy", "is no file")
    Path("a.txt").write_text("1 2 3")
    refused("a.txt", "expected .npy")
    with pytest.raises(TlganError, match="unknown feature"):
        import_axis(workspace, tmp_path / "short.npy", "lefft")
    assert not Path("ran").exists()
    assert (workspace.path / "axes.safetensors").read_bytes() == before
    with pytest.raises(SystemExit) as end:
        main(["import-axes", str(tmp_path / "nowhere"), "short.npy", "--name", "left"])
    assert end.value.code == 1
    assert "is not a workspace" in capsys.readouterr().err


# -- a generator that no extractor knows ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A StyleGAN of noise, with nothing but colours measured."""
    folder = tmp_path_factory.mktemp("unknown") / "ws"
    settings = Settings(str(CHECKPOINTS / "sg2_64.pkl"), extractors=("colour",), max_samples=400, base=())
    discover(folder, settings, sure=0.5)
    return folder


def test_directions_without_labels_become_measured_and_named_sliders(unknown: Path) -> None:
    workspace = open_workspace(unknown)
    added = add_directions(workspace, "sefa:3")
    assert added.features == ("sefa_1", "sefa_2", "sefa_3")
    again = open_workspace(unknown)
    assert again.axes.found_by[-3:] == ("sefa",) * 3
    label = again.axes.features[-3].label
    assert label.startswith("Unnamed 1: ")
    assert " in " in label
    maps = np.concatenate([weight.double().numpy() for weight in again.generator.style_maps()])  # type: ignore[attr-defined]
    maps /= np.linalg.norm(maps, axis=1, keepdims=True)
    truth = np.linalg.svd(maps)[2][0]
    row = again.axes.index("sefa_1")
    slope = again.axes.whitened_slopes[row]
    move = again.axes.metric.root @ slope
    assert abs(move @ truth) / np.linalg.norm(move) > 0.999
    assert again.face(seed=1).set(sefa_1=1.0).picture().shape == (64, 64, 3)
    with pytest.raises(TlganError, match="discover --method svm"):
        add_directions(again, "svm")
    with pytest.raises(TlganError, match="tlgan add WORKSPACE --directions pca"):
        discover(unknown.parent / "other", Settings(str(CHECKPOINTS / "sg2_64.pkl"), extractors=("colour",), max_samples=100,
                                                    base=(), method="pca"))  # fmt: skip


def test_axes_by_layers_are_found_and_edit_like_any_other(tmp_path: Path) -> None:
    settings = Settings(str(CHECKPOINTS / "sg2_64.pkl"), extractors=("colour",), max_samples=600, base=(), space="w+")
    made = discover(tmp_path / "ws", settings, sure=0.5)
    workspace = open_workspace(made.path)
    axes, generator = workspace.axes, workspace.generator
    assert len(axes.groups) == 3
    assert workspace.settings.groups == axes.groups
    assert axes.latent_dim == 3 * generator.w_dim
    editor = workspace.face(seed=2)
    plain = editor.picture()
    w = generator.map(generator.sample(1, seed=2, space="z"))
    expected = (
        ((generator.synthesize(w, space="w")[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    )
    np.testing.assert_array_equal(plain, expected)  # a face begins with the same w everywhere
    strongest = axes.names[int(np.nanargmax(axes.r2))]
    face = editor.set(**{strongest: 1.0}).exact()
    assert face.changed()[strongest] == pytest.approx(1.0, abs=0.05)
    face.save(tmp_path / "a.png")
    reopened = workspace.face(png=tmp_path / "a.png")
    np.testing.assert_array_equal(reopened.picture(), face.picture())


def test_a_reader_reads_what_it_was_fitted_to(tmp_path: Path) -> None:
    from tlgan.extractors import Feature
    from tlgan.extractors.reader import fit_reader, load_reader, save_reader

    rng = np.random.default_rng(0)
    patterns = rng.uniform(-1, 1, size=(6, 3, 16, 16))

    def drawn(rows: int) -> tuple[torch.Tensor, np.ndarray]:
        mixed = rng.uniform(-1, 1, size=(rows, 6)) / 6
        return torch.from_numpy(np.einsum("nk,kchw->nchw", mixed, patterns)).float(), 10 * mixed[:, :2]

    save_reader(
        tmp_path / "a.safetensors", [Feature("a", "quantity"), Feature("b", "quantity")], *fit_reader(*drawn(300))
    )
    reader = load_extractor(str(tmp_path / "a.safetensors"))
    images, places = drawn(50)
    np.testing.assert_allclose(reader.extract(images), places, atol=0.02)
    with pytest.raises(TlganError, match="is not a reader"):
        load_reader(CHECKPOINTS / "sg2_64.pkl")
    images.requires_grad_(True)
    reader.logits(images).sum().backward()
    assert float(images.grad.abs().sum()) > 0
