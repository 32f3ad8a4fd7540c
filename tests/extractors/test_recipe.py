"""The training recipe's data, views and loop, on tiny made-up data."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from celeba40 import augment, data, export, measure, teaching, training
from tlgan.extractors.attributes import CELEBA_ATTRIBUTES

RNG = np.random.default_rng(0)


def encoded(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def celeba_file(tmp_path_factory):
    """40 pictures of 89x109 in which `smiling` means a red picture and `male` a bright one."""
    smiling, male = RNG.integers(0, 2, 40), RNG.integers(0, 2, 40)
    columns = {f.name.title(): RNG.integers(0, 2, 40) for f in CELEBA_ATTRIBUTES}  # CelebA writes capitals
    columns |= {"Smiling": smiling, "Male": male}
    pictures = []
    for s, m in zip(smiling, male, strict=True):
        base = np.array([170 if s else 60, 60, 60]) + (70 if m else 0)
        pictures.append(encoded(np.clip(base + RNG.normal(0, 12, (109, 89, 3)), 0, 255).astype(np.uint8)))
    path = tmp_path_factory.mktemp("celeba") / "celeba.parquet"
    pq.write_table(pa.table({"image": pictures, **columns}), path)
    return path


@pytest.fixture(scope="module")
def utkface_file(tmp_path_factory):
    pictures = [encoded(RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8)) for _ in range(6)]
    table = {
        "image": pictures,
        "age": [1, 20, 33, 53, 80, 5],
        "female": [0, 1, 1, 0, 0, 1],
        "ethnicity": [0, 1, 2, 3, 4, 0],
    }
    path = tmp_path_factory.mktemp("utkface") / "utkface.parquet"
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="module")
def celeba(celeba_file):
    return data.read_celeba(celeba_file)


def test_celeba_is_read_with_its_crop_and_its_labels(celeba, celeba_file):
    assert celeba.pictures.shape == (40, 3, 109, 89)
    assert celeba.box == (14.0, 0.0, 89)
    assert celeba.targets[:, -1].isnan().all()
    table = pq.read_table(celeba_file)
    assert celeba.targets[:, data.MALE].tolist() == table["Male"].to_pylist()
    # the usual view is rows 14 to 103, as Pillow resizes it
    picture = Image.open(io.BytesIO(table["image"][3].as_py())).crop((0, 14, 89, 103))
    theirs = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR), np.float32) / 127.5 - 1
    ours = augment.plain_view(celeba[3:4])[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).max() < 1.5 / 127.5


def test_a_missing_attribute_is_named(tmp_path):
    pq.write_table(pa.table({"image": [b""], "Smiling": [1]}), tmp_path / "few.parquet")
    with pytest.raises(SystemExit, match="no column for 5_o_clock_shadow"):
        data.read_celeba(tmp_path / "few.parquet")


def test_utkface_is_read(utkface_file):
    faces = data.read_utkface(utkface_file)
    assert faces.pictures.shape == (6, 3, 96, 96)
    assert measure.years(faces.targets[:, -1]).tolist() == [1, 20, 33, 53, 80, 5]
    assert faces.targets[:, data.MALE].tolist() == [1, 0, 0, 1, 1, 0]
    assert faces.targets[:, :-1].isnan().sum(dim=1).tolist() == [39] * 6
    assert faces.group.tolist() == [0, 1, 2, 3, 4, 0]


def test_split_keeps_every_picture_once(celeba):
    for seed in (None, 3):
        kept, held = data.split(celeba, 10, seed=seed)
        assert (len(kept), len(held)) == (30, 10)
        both = torch.cat([kept.pictures, held.pictures]).flatten(1).double().sum(dim=1).sort().values
        assert torch.equal(both, celeba.pictures.flatten(1).double().sum(dim=1).sort().values)


def test_views_differ_are_in_range_and_repeat_with_the_seed(celeba):
    def draw(seed):
        return augment.views(celeba, torch.Generator().manual_seed(seed), augment.Strength())

    x, blurred = draw(1)
    assert x.shape == (40, 3, 64, 64)
    assert x.min() >= -1
    assert x.max() <= 1
    assert 0 < blurred.sum() < 40
    assert torch.equal(x, draw(1)[0])
    assert not torch.equal(x, draw(2)[0])


def test_geometry_without_strength_is_the_plain_view():
    ramp = torch.linspace(0, 255, 89).expand(3, 109, 89).to(torch.uint8)[None].repeat(20, 1, 1, 1)
    faces = data.Faces(ramp, torch.zeros(20, data.OUTPUTS), (14.0, 0.0, 89.0), (1.0, 1.0))
    x = augment.geometric(faces, torch.Generator().manual_seed(0), augment.Strength(shift=0, rotate=0, stretch=0))
    plain = augment.plain_view(faces)
    flipped = x[:, 0, 0, 0] > 0
    assert 0 < flipped.sum() < 20  # flips happen; otherwise nothing moves
    assert (torch.where(flipped.view(-1, 1, 1, 1), x.flip(-1), x) - plain).abs().max() < 0.03


def test_blur_keeps_the_mean_and_jpeg_keeps_what_is_smooth():
    x = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    blurred = augment.gaussian_blur(x, torch.tensor([0.5, 1.0, 1.5]))
    assert (blurred.std(dim=(1, 2, 3)).diff() < 0).all()
    torch.testing.assert_close(blurred.mean(), x.mean(), atol=0.01, rtol=0)
    smooth = torch.linspace(-0.9, 0.9, 64).expand(2, 3, 64, 64)
    quality = torch.tensor([30.0, 95.0])
    error = (augment.jpeg_like(smooth, quality) - smooth).abs().amax(dim=(1, 2, 3))
    assert error[1] < error[0] < 0.2
    assert (augment.jpeg_like(x[:1], quality[:1]) - x[:1]).abs().mean() > 0.1


def test_training_learns_stops_and_goes_on_to_the_same_end(celeba, tmp_path):
    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.AvgPool2d(16), torch.nn.Flatten(), torch.nn.BatchNorm1d(48))
            self.head = torch.nn.Linear(48, data.OUTPUTS)

        def forward(self, x):
            return self.head(self.body(x))

    calm = augment.Strength(light=0.05, colour=0.02, blur=0, jpeg=0, noise=0, erase=0)
    plan = training.Plan(steps=60, learning_rate=0.05, average=0.9, strength=calm, checkpoint_every=20)

    def run(path):
        torch.manual_seed(0)
        return training.fit(Small(), [(celeba, 32)], plan, path)

    whole = run(tmp_path / "whole.ckpt")
    outputs = measure.predict(whole, augment.plain_view(celeba))
    accuracy, auc = measure.attribute_table(outputs, celeba.targets)["smiling"]
    assert accuracy > 0.95
    assert auc > 0.98

    class Killed(Exception):
        pass

    drawn = training._draw
    count = iter(range(1000))

    def fails(*args):
        if next(count) == 45:
            raise Killed
        return drawn(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_draw", fails)
        with pytest.raises(Killed):
            run(tmp_path / "killed.ckpt")
    resumed = run(tmp_path / "killed.ckpt")
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)


def test_teachers_average_over_views_and_keep_their_answers(celeba, tmp_path):
    class Constant(torch.nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value, self.seen = value, 0

        def forward(self, x):
            self.seen += 1
            return torch.full((len(x), data.OUTPUTS), self.value)

    teachers = [Constant(1.0), Constant(4.0)]
    faces = teaching.taught(celeba, teachers, tmp_path / "answers.pt")
    assert torch.equal(faces.teacher, torch.full((40, data.OUTPUTS), 2.5))
    assert [t.seen for t in teachers] == [5, 5]
    assert torch.equal(teaching.taught(celeba, teachers, tmp_path / "answers.pt").teacher, faces.teacher)
    assert [t.seen for t in teachers] == [5, 5]


def test_exported_weights_load_and_agree(tmp_path):
    from tlgan.extractors.networks import ARCHITECTURES
    from tlgan.extractors.trained import load_network

    torch.manual_seed(0)
    model = ARCHITECTURES["residual"](data.OUTPUTS).eval()
    export.export(model, "residual", [*data.ATTRIBUTES, data.AGE], "made up", tmp_path / "small.safetensors")
    assert not list(tmp_path.glob("*.part"))
    extractor = load_network(tmp_path / "small.safetensors", "small")
    x = torch.rand(4, 3, 64, 64) * 2 - 1
    raw = model(x)
    expected = torch.cat([raw[:, :-1].sigmoid(), measure.years(raw[:, -1:])], dim=1)
    torch.testing.assert_close(extractor.extract(x), expected.detach(), atol=5e-3, rtol=1e-3)


def test_weights_halfway_between_two_checkpoints(tmp_path):
    for name, value in (("one", 1.0), ("other", 3.0)):
        average = {"weight": torch.full((1, 2), value), "bias": torch.zeros(1)}
        torch.save({"average": average}, tmp_path / f"{name}.ckpt")
    middle = export.load_between(tmp_path / "one.ckpt", tmp_path / "other.ckpt", torch.nn.Linear(2, 1))
    assert torch.equal(middle.weight, torch.full((1, 2), 2.0))
    assert not middle.training
