"""From labelled pictures to an extractor: it learns what can be learned, and a kill at any moment loses nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.shapes import draw_folder, draw_shape, write_csv
from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.training import Trained, train_extractor
from tlgan.training.network import start_from, taken_over
from tlgan.training.split import split_rows
from tlgan.training.targets import read_targets

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(folder of 120 pictures, CSV of labels)."""
    folder = tmp_path_factory.mktemp("shapes")
    return folder / "pictures", write_csv(folder / "labels.csv", draw_folder(folder / "pictures", 120))


@pytest.fixture(scope="session")
def trained(shapes: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("trained") / "shapes.onnx"
    return train_extractor(*shapes, out, steps=80, backbone="celeba40")


def fresh(n: int = 60) -> tuple[torch.Tensor, list[dict[str, float]]]:
    rng = np.random.default_rng(99)
    drawn = [draw_shape(rng) for _ in range(n)]
    pictures = np.stack([np.asarray(picture) for picture, _ in drawn])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1, [said for _, said in drawn]


def test_what_it_learned_holds_on_new_pictures(trained: Trained) -> None:
    by_name = {row.name: row for row in trained.figures}
    assert by_name["warm"].auc > 0.95
    assert by_name["round"].auc > 0.8
    assert by_name["size"].r2 > 0.5
    extractor = load_extractor(str(trained.onnx))
    assert [(f.name, f.kind) for f in extractor.features] == [
        ("round", "probability"),
        ("warm", "probability"),
        ("size", "quantity"),
    ]
    pictures, said = fresh()
    values = extractor.extract(pictures).numpy()
    assert np.mean((values[:, 1] > 0.5) == [s["warm"] for s in said]) > 0.9
    assert np.corrcoef(values[:, 2], [s["size"] for s in said])[0, 1] > 0.7
    assert abs(values[:, 2].mean() - np.mean([s["size"] for s in said])) < 1.5  # in pixels, not in spreads


def test_safetensors_and_onnx_say_the_same(trained: Trained) -> None:
    assert trained.weights is not None
    by_torch, by_onnx = load_extractor(str(trained.weights)), load_extractor(str(trained.onnx))
    assert by_torch.differentiable
    assert by_torch.features == by_onnx.features
    pictures = torch.rand(4, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(by_torch.extract(pictures), by_onnx.extract(pictures), atol=5e-3, rtol=1e-2)
    embeddings = [extractor.embedding(pictures) for extractor in (by_torch, by_onnx)]
    torch.testing.assert_close(*embeddings, atol=1e-2, rtol=1e-2)


def test_the_card_tells_what_was_done(trained: Trained) -> None:
    card = trained.card.read_text()
    for words in ("celeba40", "| warm | binary |", "AUC", "to measure on", "other"):
        assert words in card
    assert f"{ {row.name: row for row in trained.figures}['warm'].auc:.3f}" in card
    assert not list(trained.onnx.parent.glob("*.work"))


def test_a_trained_extractor_is_a_start_for_another(
    trained: Trained, shapes: tuple[Path, Path], tmp_path: Path
) -> None:
    again = train_extractor(*shapes, tmp_path / "warm.onnx", only=["warm"], steps=20, backbone=str(trained.weights))
    assert again.figures[0].auc > 0.95
    assert [feature.name for feature in load_extractor(str(again.onnx)).features] == ["warm"]


def test_a_head_on_a_frozen_hugging_face_model(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tests.extractors.test_huggingface import save_classifier

    save_classifier(tmp_path / "backbone", ["a", "b", "c"])
    made = train_extractor(*shapes, tmp_path / "w.onnx", only=["warm"], steps=20, backbone=str(tmp_path / "backbone"))
    assert made.weights is None
    extractor = load_extractor(str(made.onnx))
    assert extractor.input_size == 32
    pictures, said = fresh()
    right = (extractor.extract(pictures)[:, 0].numpy() > 0.5) == [s["warm"] for s in said]
    assert np.mean(right) > 0.8  # random weights tell warm from cold well enough


def test_from_scratch_and_several_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for row in range(90):
        picture, _ = draw_shape(rng)
        shade = ("red", "green", "blue")[row % 3]
        tint = Image.new("RGB", picture.size, shade)
        (tmp_path / "shades" / shade).mkdir(parents=True, exist_ok=True)
        Image.blend(picture, tint, 0.7).save(tmp_path / "shades" / shade / f"{row}.jpg")
    made = train_extractor(tmp_path / "shades", None, tmp_path / "s.onnx", steps=40, backbone="scratch")
    extractor = load_extractor(str(made.onnx))
    assert [f.name for f in extractor.features] == ["blue", "green", "red"]  # after the classes, not after the folder
    pure = torch.tensor([[-1.0, -1, 1], [-1, 0, -1], [1, -1, -1]]).view(3, 3, 1, 1).expand(3, 3, 40, 40)
    values = extractor.extract(pure)
    torch.testing.assert_close(values.sum(dim=1), torch.ones(3), atol=1e-3, rtol=0)
    by_torch = load_extractor(str(made.weights)).extract(pure)
    torch.testing.assert_close(values, by_torch, atol=5e-3, rtol=1e-2)


def test_the_start_is_chosen_by_what_it_knows(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    said: list[str] = []

    made = train_extractor(*shapes, tmp_path / "a.onnx", only=["warm"], steps=10, progress=said.append)
    assert made.backbone == "celeba40"
    assert any("tells these labels apart already" in words for words in said)
    rng = np.random.default_rng(0)
    coin = write_csv(tmp_path / "coin.csv", [{"coin": float(rng.random() < 0.5)} for _ in range(120)])
    made = train_extractor(shapes[0], coin, tmp_path / "b.onnx", steps=3, progress=said.append)
    assert made.backbone == "scratch" or made.figures[0].auc < 0.75


def test_killed_again_and_again_it_ends_as_one_that_was_not(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        import torch
        torch.set_num_threads(1)
        from tlgan.progress import Progress
        from tlgan.training import loop, train_extractor
        loop._BETWEEN = 0.0  # a checkpoint at every look

        class Killer(Progress):
            left = int(sys.argv[4])
            def tick(self):
                self.left -= 1
                if self.left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            def stage(self, words): self.tick()
            def step(self, *numbers): self.tick()

        train_extractor(sys.argv[1], sys.argv[2], sys.argv[3], only=["warm"], steps=30, backbone="celeba40", progress=Killer())
        """
    )

    def run(out: Path, patience: int) -> int:
        command = [sys.executable, "-c", script, str(shapes[0]), str(shapes[1]), str(out), str(patience)]
        return subprocess.run(command).returncode

    assert [run(tmp_path / "cut.onnx", patience) for patience in (2, 6, 9, 10**6)] == [-signal.SIGKILL] * 3 + [0]
    assert run(tmp_path / "whole.onnx", 10**6) == 0
    one, other = (load_extractor(str(tmp_path / name)) for name in ("cut.safetensors", "whole.safetensors"))
    pictures = fresh(8)[0]
    torch.testing.assert_close(one.extract(pictures), other.extract(pictures), atol=1e-4, rtol=1e-3)
    assert sorted(p.name for p in tmp_path.glob("cut*")) == ["cut.md", "cut.onnx", "cut.safetensors"]


def test_early_stopping_keeps_the_best(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    coin = write_csv(tmp_path / "coin.csv", [{"coin": float(rng.random() < 0.5)} for _ in range(120)])
    made = train_extractor(shapes[0], coin, tmp_path / "c.onnx", steps=60, backbone="celeba40")
    assert made.course.stopped_early
    assert made.course.best_step < made.course.steps


# -- what nothing can be learned from --------------------------------------------------------------------------


def test_constant_labels(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "l.csv", [{"warm": row % 2, "same": 1} for row in range(120)])
    with pytest.raises(TlganError, match=r"same is the same for every picture.*--skip same"):
        train_extractor(shapes[0], path, tmp_path / "a.onnx")
    assert not list(tmp_path.glob("a.*"))


def test_a_class_too_rare_to_be_in_every_share(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "l.csv", [{"warm": int(row < 2)} for row in range(120)])
    with pytest.raises(TlganError, match=r"only 2 pictures of warm = yes"):
        train_extractor(shapes[0], path, tmp_path / "a.onnx", backbone="scratch")


def test_unreadable_pictures_are_named_and_left_out(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(shapes[0], tmp_path / "pictures")
    (folder / "003.png").write_bytes(b"not a picture")
    (folder / "005.png").unlink()
    (folder / "007.png").write_bytes((folder / "008.png").read_bytes()[:200])
    said: list[str] = []

    made = train_extractor(
        folder, shapes[1], tmp_path / "a.onnx", only=["warm"], steps=4, backbone="celeba40", progress=said.append
    )
    assert (made.unreadable, made.pictures) == (3, 117)
    assert "3 pictures can't be read (003.png, 005.png, 007.png); going on without" in said
    assert "3 of its pictures" in made.card.read_text()
    for row in range(20, 40):
        (folder / f"{row:03d}.png").write_bytes(b"")
    with pytest.raises(TlganError, match=r"23 pictures can't be read \(003\.png.*over 5% of 120"):
        train_extractor(folder, shapes[1], tmp_path / "b.onnx", steps=4)


def test_names_and_options_that_do_not_fit(shapes: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TlganError, match=r"ends in \.onnx"):
        train_extractor(*shapes, tmp_path / "a.bin")
    with pytest.raises(TlganError, match="no column 'hat'"):
        train_extractor(*shapes, tmp_path / "a.onnx", only=["hat"])
    with pytest.raises(TlganError, match="no embedding"):
        train_extractor(*shapes, tmp_path / "a.onnx", backbone="colour")
    (tmp_path / "b.work").mkdir()
    (tmp_path / "b.work" / "letter.txt").write_text("dear")
    with pytest.raises(TlganError, match="in the way"):
        train_extractor(*shapes, tmp_path / "b.onnx")
    assert (tmp_path / "b.work" / "letter.txt").exists()


def test_shares_hold_every_class_and_no_picture_twice() -> None:
    rng = np.random.default_rng(0)
    columns = {"rare": [int(i < 12) for i in range(500)], "half": (rng.random(500) < 0.5).astype(int).tolist()}
    targets = read_targets(columns)
    split = split_rows(targets, np.arange(500))
    together = np.concatenate([split.train, split.stop, split.test])
    assert sorted(together) == list(range(500))
    assert 40 <= len(split.test) <= 60
    for rows in (split.train, split.stop, split.test):
        assert set(targets[0].values[rows]) == {0, 1}
    np.testing.assert_array_equal(split_rows(targets, np.arange(500)).test, split.test)


def test_labels_that_the_start_names_are_read_as_it_reads_them() -> None:
    start = start_from("celeba40", 64)
    columns = {"Smiling": ["0", "1"] * 5, "lopsided": ["0", "1"] * 5, "age": [str(age) for age in range(20, 30)]}
    targets = read_targets(columns)
    network = start.build(3).eval()
    pictures = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        before, after = network(pictures), taken_over(network, start, targets).eval()(pictures)
        said = start.extractor.logits(pictures)
    names = [feature.name for feature in start.extractor.features]
    torch.testing.assert_close(after[:, 0], said[:, names.index("smiling")])
    torch.testing.assert_close(after[:, 1], before[:, 1])
    torch.testing.assert_close(after[:, 2] * targets[2].spread + targets[2].centre, said[:, names.index("age")])


def test_without_the_extra_it_says_so_before_any_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(TlganError, match=r"pip install 'tlgan\[onnx\]'"):
        train_extractor(tmp_path, None, tmp_path / "new.onnx")
    assert not (tmp_path / "new.work").exists()
