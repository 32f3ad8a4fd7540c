"""Every way labels come in, and what is wrong with them, named with file and line."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, features

from tests.training.shapes import draw_folder
from tlgan.errors import TlganError
from tlgan.training.objective import loss
from tlgan.training.pictures import decode, square
from tlgan.training.readers import from_dataset, read_labelled
from tlgan.training.targets import read_targets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_folder(tmp_path / "pictures", 4)
    return tmp_path / "pictures"


def kinds(columns: dict[str, list[object]], **options: object) -> dict[str, tuple[str, list[float]]]:
    return {t.name: (t.kind, t.values.tolist()) for t in read_targets(columns, **options)}


def test_celebas_list(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text("4\nSmiling Wearing_Hat\n000.png  1 -1\n001.png -1 -1\n002.png  1  1\n003.png -1  1\n")
    found = read_labelled(folder, path)
    assert kinds(found.columns) == {"smiling": ("binary", [1, 0, 1, 0]), "wearing_hat": ("binary", [0, 0, 1, 1])}
    assert next(found.read(2)) == (folder / "002.png").read_bytes()
    (feature,) = read_targets(found.columns, only=["Smiling"])[0].features()
    assert feature.label  # CelebA's names keep the words their sliders have
    path.write_text("4\nSmiling Wearing_Hat\n000.png 1 -1\n001.png -1\n002.png 1 1\n003.png -1 1\n")
    with pytest.raises(TlganError, match=r"line 4 has 1 labels, expected 2"):
        read_labelled(folder, path)
    path.write_text("9\nSmiling\n000.png 1\n001.png -1\n")
    with pytest.raises(TlganError, match="says it has 9 pictures, but there are 2 lines"):
        read_labelled(folder, path)


def test_csv_of_any_kind(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text('age,filename,mood\n30,000.png,"calm"\n41.5,001.png,sad\n,002.png,glad\n22,003.png,\n')
    assert kinds(read_labelled(folder, path).columns) == {
        "age": ("number", pytest.approx([30, 41.5, np.nan, 22], nan_ok=True)),
        "mood": ("classes", pytest.approx([0, 2, 1, np.nan], nan_ok=True)),
    }
    path.write_text("file;hat\n000.png;yes\n001.png;no\n")
    assert kinds(read_labelled(folder, path).columns) == {"hat": ("binary", [1, 0])}
    path.write_text("file,hat\n000.png,yes\n001.png,no,maybe\n")
    with pytest.raises(TlganError, match=r"l\.csv line 3 has 3 values, expected 2"):
        read_labelled(folder, path)
    path.write_text("file,hat\n../../etc/passwd,yes\n000.png,no\n")
    with pytest.raises(TlganError, match="not inside"):
        read_labelled(folder, path)
    path.write_text("file,hat\na.png,yes\nb.png,no\n")
    with pytest.raises(TlganError, match="none of the 2 pictures"):
        read_labelled(folder, path)
    with pytest.raises(TlganError, match="give the folder"):
        read_labelled(None, path)


def test_parquet_with_and_without_pictures(folder: Path, tmp_path: Path) -> None:
    data = [(folder / f"{row:03d}.png").read_bytes() for row in range(4)]
    path = tmp_path / "l.parquet"
    pd.DataFrame({"image": data, "hat": [0, 1, 0, 1]}).to_parquet(path)
    for found in (read_labelled(path, None), read_labelled(None, path), read_labelled(path, path)):
        assert list(found.read(1)) == data[1:]
        assert kinds(found.columns) == {"hat": ("binary", [0, 1, 0, 1])}
    pd.DataFrame({"image": [{"bytes": d, "path": None} for d in data], "hat": [0, 1, 0, 1]}).to_parquet(path)
    assert list(read_labelled(path, None).read(0)) == data
    pd.DataFrame({"file": [f"{row:03d}.png" for row in range(4)], "hat": [0, 1, 0, 1]}).to_parquet(path)
    assert list(read_labelled(folder, path).read(3)) == data[3:]
    with pytest.raises(TlganError, match="holds no pictures"):
        read_labelled(None, path)
    path.write_bytes(b"PAR1")
    with pytest.raises(TlganError, match="can't be read as Parquet"):
        read_labelled(None, path)


def test_a_folder_a_class_and_utkfaces_names(folder: Path, tmp_path: Path) -> None:
    for name, row in (("cats", 0), ("dogs", 1), ("dogs", 2)):
        (tmp_path / "animals" / name).mkdir(parents=True, exist_ok=True)
        (folder / f"{row:03d}.png").rename(tmp_path / "animals" / name / f"{row}.png")
    found = read_labelled(tmp_path / "animals", None)
    assert kinds(found.columns) == {"class": ("binary", [0, 1, 1])}
    (feature,) = read_targets(found.columns)[0].features()
    assert (feature.name, feature.low, feature.high) == ("dogs", "cats", "dogs")
    with pytest.raises(TlganError, match="do not say what is in the pictures"):
        read_labelled(folder, None)
    picture = (folder / "003.png").read_bytes()
    faces = tmp_path / "faces"
    faces.mkdir()
    for name in ("26_0_2_20170104.png", "61_1_0_2017.png", "5_1_3_2.png", "odd.png"):
        (faces / name).write_bytes(picture)
    values = kinds(read_labelled(faces, None).columns)
    assert values["age"] == ("number", pytest.approx([26, 5, 61, np.nan], nan_ok=True))
    assert values["male"] == ("binary", pytest.approx([1, 0, 0, np.nan], nan_ok=True))
    assert set(values) == {"age", "male"}  # UTKFace's groups never become a feature
    (tmp_path / "empty").mkdir()
    with pytest.raises(TlganError, match="no pictures"):
        read_labelled(tmp_path / "empty", None)


def test_hugging_face_datasets(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = [{"bytes": (folder / f"{row:03d}.png").read_bytes(), "path": None} for row in range(4)]
    table = datasets.Dataset.from_dict(
        {"image": pictures, "mood": [0, 1, 2, 0], "age": [1.0, 2, 3, 4]},
        features=datasets.Features(
            {
                "image": datasets.Image(),
                "mood": datasets.ClassLabel(names=["calm", "glad", "sad"]),
                "age": datasets.Value("float32"),
            }
        ),
    )
    found = read_labelled(table, None)
    assert list(found.read(2)) == [p["bytes"] for p in pictures[2:]]
    assert kinds(found.columns)["mood"] == ("classes", [0, 1, 2, 0])
    with pytest.raises(TlganError, match="no column of pictures"):
        from_dataset(table.remove_columns("image"))
    with pytest.raises(TlganError, match="is a list"):
        read_labelled([1, 2], None)
    table.save_to_disk(tmp_path / "saved")
    saved = read_labelled(f"datasets:{tmp_path / 'saved'}", None)
    assert list(saved.read(0)) == [p["bytes"] for p in pictures]
    table.to_parquet(tmp_path / "parts" / "train.parquet")
    parts = read_labelled(f"datasets:{tmp_path / 'parts'}", None)
    assert parts.columns["mood"] == ["calm", "glad", "sad", "calm"]
    with pytest.raises(TlganError, match="can't be loaded"):
        read_labelled(f"datasets:{tmp_path / 'nothing'}", None)


def test_kinds_may_be_said() -> None:
    columns: dict[str, list[object]] = {"group": [0, 1, 2, 1], "size": ["1", "2", "x", "3"]}
    assert kinds({"group": columns["group"]})["group"][0] == "number"
    assert kinds({"group": columns["group"]}, kinds={"group": "classes"})["group"][0] == "classes"
    with pytest.raises(TlganError, match="'x' of size is not a number"):
        kinds(columns, kinds={"size": "number"})
    with pytest.raises(TlganError, match="3 different labels"):
        kinds(columns, kinds={"group": "binary"})
    with pytest.raises(TlganError, match="kind 'colour'"):
        kinds(columns, kinds={"group": "colour"})


# -- pictures of any kind --------------------------------------------------------------------------------------


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def halves() -> Image.Image:
    """Red above, blue below."""
    levels = np.zeros((32, 32, 3), np.uint8)
    levels[:16, :, 0], levels[16:, :, 2] = 255, 255
    return Image.fromarray(levels)


def test_grey_alpha_palette_cmyk_and_sixteen_bits() -> None:
    grey = np.tile(np.linspace(0, 255, 32, dtype=np.uint8), (32, 1))
    wide = grey.astype(np.uint16) * 257
    for data in (
        encoded(Image.fromarray(grey)),
        encoded(Image.fromarray(wide)),
        encoded(Image.fromarray(wide), "TIFF"),
    ):
        found = square(data, 32)
        assert found is not None
        np.testing.assert_allclose(found, np.repeat(grey[..., None], 3, axis=2), atol=1)
    clear = halves().convert("RGBA")
    clear.putalpha(Image.fromarray(np.where(np.arange(32)[:, None] < 16, 255, 0).astype(np.uint8).repeat(32, axis=1)))
    found = square(encoded(clear), 32)
    assert found is not None
    assert found[4, 4].tolist() == [255, 0, 0]
    assert found[28, 4].tolist() == [255, 255, 255]  # what shows through is white
    for data in (encoded(halves().convert("P")), encoded(halves().convert("CMYK"), "JPEG", quality=95)):
        found = square(data, 32)
        assert found is not None
        assert found[4, 4, 0] > 200 > 90 > found[4, 4, 2]


def test_exif_rotation_is_undone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    upright = square(encoded(halves(), "JPEG", quality=95), 32)
    turned = square(encoded(halves().rotate(180), "JPEG", quality=95, exif=exif), 32)
    assert upright is not None
    assert turned is not None
    np.testing.assert_allclose(turned.astype(int), upright.astype(int), atol=12)


def test_the_square_is_the_middle_or_celebas_own() -> None:
    levels = np.tile(np.arange(218, dtype=np.uint8)[:, None, None], (1, 178, 3))
    data = encoded(Image.fromarray(levels))
    middle, celeba = square(data, 178), square(data, 178, celeba=True)
    assert middle is not None
    assert celeba is not None
    assert (int(middle[0, 0, 0]), int(celeba[0, 0, 0])) == (20, 28)


@pytest.mark.parametrize("data", [None, b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(60)])
def test_what_is_no_picture(data: bytes | None) -> None:
    assert square(data, 8) is None


def test_decoding_goes_on_where_it_was(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlgan.training.pictures.CHUNK", 2)
    (tmp_path / "l.csv").write_text("file,hat\n" + "".join(f"00{row}.png,{row % 2}\n" for row in range(4)))
    labelled = read_labelled(folder, tmp_path / "l.csv")
    whole, bad = decode(labelled, 16, tmp_path / "w")
    assert (len(whole), bad) == (2, [])
    (tmp_path / "w" / "pictures-00001.npy").unlink()
    (folder / "000.png").unlink()  # its chunk is there: it is not looked at again
    again, _ = decode(labelled, 16, tmp_path / "w")
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(whole))


def _picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(path)


@pytest.mark.parametrize("parts", [("train", "val"), ("Test", "Train"), ("camera 1", "camera 2")])
def test_parts_of_a_data_set_are_no_classes(tmp_path: Path, parts: tuple[str, str]) -> None:
    for part in parts:
        for kind, value in (("cat", 200), ("dog", 30)):
            _picture(tmp_path / "pets" / part / kind / "0.png", value)
    labelled = read_labelled(tmp_path / "pets", None)
    assert sorted(labelled.columns["class"]) == ["cat", "cat", "dog", "dog"]
    assert all(part in labelled.source for part in parts)


def test_classes_with_folders_of_their_own_stay_classes(tmp_path: Path) -> None:
    _picture(tmp_path / "pets" / "cat" / "siamese" / "0.png", 200)
    _picture(tmp_path / "pets" / "dog" / "poodle" / "0.png", 30)
    assert sorted(read_labelled(tmp_path / "pets", None).columns["class"]) == ["cat", "dog"]


def test_what_systems_leave_beside_pictures_is_no_class_and_no_picture(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        _picture(tmp_path / "pets" / kind / "0.png", 30)
        (tmp_path / "pets" / kind / "._0.png").write_bytes(b"a resource fork")
        _picture(tmp_path / "pets" / kind / ".ipynb_checkpoints" / "0-checkpoint.png", 30)
    _picture(tmp_path / "pets" / ".ipynb_checkpoints" / "0.png", 30)
    _picture(tmp_path / "pets" / "__MACOSX" / "0.png", 30)
    labelled = read_labelled(tmp_path / "pets", None)
    assert sorted(labelled.columns["class"]) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("{0}.png,{1}\n", {"label": 4}),
        ("{1},{0}.png\n", {"label": 4}),
        ("{0}.png;{1};7\n", {"label_2": 4, "label_3": 4}),
    ],
)
def test_a_table_without_a_line_of_names_loses_no_picture(tmp_path: Path, lines: str, expected: dict[str, int]) -> None:
    for number in range(4):
        _picture(tmp_path / "p" / f"{number}.png", 40 * number)
    (tmp_path / "labels.csv").write_text("".join(lines.format(number, number % 2) for number in range(4)))
    labelled = read_labelled(tmp_path / "p", tmp_path / "labels.csv")
    assert {name: len(values) for name, values in labelled.columns.items()} == expected
    assert len(labelled.names) == 4
    assert "no line of names" in labelled.source


@pytest.mark.parametrize(
    ("levels", "kind"),
    [
        (np.linspace(0, 1, 256, dtype=np.float32), "TIFF"),
        (np.linspace(0, 255, 256, dtype=np.float32), "TIFF"),
        (np.linspace(0, 4095, 256).astype(np.uint16), "PNG"),
        (np.linspace(0, 65535, 256).astype(np.uint16), "PNG"),
    ],
)
def test_pictures_of_more_bits_use_their_whole_range(levels: np.ndarray, kind: str) -> None:
    out = io.BytesIO()
    Image.fromarray(levels.reshape(16, 16)).save(out, kind)
    found = square(out.getvalue(), 16)
    assert found is not None
    assert (found.min(), found.max()) == (0, 255)
    assert abs(float(found.mean()) - 127.5) < 1


@pytest.mark.parametrize("word", ["NA", "n/a", "?", "None", "null", "-", "", "#N/A"])
def test_words_for_a_missing_label_are_no_class(word: str) -> None:
    (target,) = read_targets({"smiling": ["1", "0", word, "1"]})
    assert (target.kind, target.width) == ("binary", 1)
    assert np.isnan(target.values).tolist() == [False, False, True, False]
    (number,) = read_targets({"age": ["20", word, "31.5"]})
    assert number.kind == "number"
    assert np.isnan(number.values).tolist() == [False, True, False]


def test_a_missing_label_teaches_nothing_and_the_others_of_its_picture_do() -> None:
    columns = {"hat": ["1", "?", "0", "1"], "mood": ["a", "b", "c", "NA"], "age": ["20", "30", "", "50"]}
    targets = read_targets(columns)
    values = torch.from_numpy(np.stack([target.values for target in targets], axis=1))
    output = torch.linspace(-2, 2, 20).reshape(4, 5).requires_grad_()
    loss(output, values, targets).backward()
    taught = output.grad != 0  # one output for hat, three for mood, one for age
    assert taught.tolist() == [[True] * 5, [False] + [True] * 4, [True] * 4 + [False], [True] + [False] * 3 + [True]]


def test_none_may_be_a_class_among_words() -> None:
    (target,) = read_targets({"hat": ["none", "cap", "beret", "NA"]})
    assert target.classes == ("beret", "cap", "none")


def test_decimal_commas_are_numbers() -> None:
    (target,) = read_targets({"age": ["20,5", "31", "0,25"]})
    assert target.kind == "number"
    assert target.values.tolist() == [20.5, 31.0, 0.25]


def test_names_in_any_script_become_features(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text("file,是否红色,Улыбка,Größe,★\n000.png,是,да,1.5,1\n001.png,否,нет,2,0\n", encoding="utf-8")
    targets = read_targets(read_labelled(folder, path).columns)
    assert [t.name for t in targets] == ["是否红色", "улыбка", "größe", "black_star"]
    assert [t.values.tolist() for t in targets[:2]] == [[1, 0], [1, 0]]
    assert targets[0].features()[0].label == "是否红色"
    for name in ("猫", "狗", "鸟"):
        (tmp_path / "动物" / name).mkdir(parents=True)
        (folder / "002.png").replace(folder / "kept.png") if (folder / "002.png").exists() else None
        (tmp_path / "动物" / name / "1.png").write_bytes((folder / "kept.png").read_bytes())
    (target,) = read_targets(read_labelled(tmp_path / "动物", None).columns)
    assert {feature.name for feature in target.features()} == {"猫", "狗", "鸟"}


def test_two_labels_of_one_name_are_both_named(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text("file,Hat!,hat\n000.png,1,0\n001.png,0,1\n")
    with pytest.raises(TlganError, match="the column hat and the column hat make the same feature 'hat'"):
        read_targets(read_labelled(folder, path).columns)


@pytest.mark.parametrize(
    ("encoding", "yes", "no", "said"),
    [
        ("utf-8-sig", "是", "否", ""),
        ("utf-16", "是", "否", ""),
        ("utf-32", "да", "нет", ""),
        ("gbk", "是", "否", "GB18030"),
        ("gb18030", "是", "否", "GB18030"),
        ("cp1251", "да", "нет", "Windows-1251"),
        ("cp1252", "sí", "no", "Windows-1252"),
    ],
)
def test_labels_in_the_encodings_of_spreadsheets(
    folder: Path, tmp_path: Path, encoding: str, yes: str, no: str, said: str
) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(f"{no},file\n{yes},000.png\n{no},001.png\n".encode(encoding))
    found = read_labelled(folder, path)
    assert found.columns == {no: [yes, no]}
    assert kinds(found.columns)[no] == ("binary", [1, 0])
    assert said in found.source
    assert ("guessed" in found.source) == bool(said)


@pytest.mark.parametrize("data", ["Größe,ДА".encode("utf-16")[:-1], b"hat,\xff\x81\n", "ДАМА".encode("cp1251")])
def test_labels_in_no_or_several_encodings_ask_for_utf8(folder: Path, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(data)
    with pytest.raises(TlganError, match="save the file as UTF-8"):
        read_labelled(folder, path)


@pytest.mark.parametrize(
    "name",
    ["{}", "{}.PNG", "{}.jpg", "part\\{}.png", "C:\\Users\\me\\faces\\{}.PNG", "faces/part/{}.png", "/home/me/{}.png"],
)
def test_pictures_that_are_called_otherwise_on_disk(folder: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "l.csv"
    for head in ("file,hat\n", ""):
        path.write_text(head + "".join(f"{name.format(f'00{n}')},{n % 2}\n" for n in range(4)))
        found = read_labelled(folder, path)
        assert list(found.read(0)) == [(folder / f"00{n}.png").read_bytes() for n in range(4)]
        assert list(found.columns.values()) == [["0", "1", "0", "1"]]
        assert "4 of 4 pictures have other names on disk" in found.source


def test_the_tail_of_a_name_has_to_mean_one_picture(tmp_path: Path) -> None:
    path, folder = tmp_path / "l.csv", tmp_path / "p"
    for number, name in enumerate(("train/0.png", "val/0.png", "val/1.png", "a.png", "A.png")):
        _picture(folder / name, number)

    def read(*names: str) -> list[bytes | None]:
        path.write_text("file,hat\n" + "".join(f"{name},{row % 2}\n" for row, name in enumerate(names)))
        return list(read_labelled(folder, path).read(0))

    def data(name: str) -> bytes:
        return (folder / name).read_bytes()

    assert read("D:\\x\\val\\0.png", "1") == [data("val/0.png"), data("val/1.png")]
    assert read("x/A.png", "x/a.png", "test/0.png") == [data("A.png"), data("a.png"), None]
    with pytest.raises(TlganError, match=r"'0' may mean several pictures of .*: train/0\.png, val/0\.png"):
        read("0", "a.png")
    with pytest.raises(TlganError, match=r"'x/a\.png' and 'y/a\.png' both mean"):
        read("x/a.png", "y/a.png")
    with pytest.raises(TlganError, match="not inside"):
        read("/etc/passwd", "a.png")


def test_metadata_of_an_image_folder(folder: Path, tmp_path: Path) -> None:
    lines = [
        '{"file_name": "000.png", "hat": true, "mood": "sad\u2028", "box": [1, 2]}',
        "",
        '{"file_name": "001.png", "hat": null}',
    ]
    path = tmp_path / "metadata.jsonl"
    path.write_text("\n".join(lines) + '\n{"file_name": "2.png", "hat": false, "mood": "glad"}\r\n', "utf-8")
    (folder / "002.png").rename(folder / "2.png")
    given = read_labelled(folder, path)
    (folder / "metadata.jsonl").write_bytes(path.read_bytes())
    for found in (given, read_labelled(folder, None)):
        assert list(found.read(0)) == [(folder / name).read_bytes() for name in ("000.png", "001.png", "2.png")]
        assert found.columns == {"hat": [True, None, False], "mood": ["sad\u2028", None, "glad"]}
        assert kinds(found.columns)["hat"] == ("binary", pytest.approx([1, np.nan, 0], nan_ok=True))
    for text, match in (
        ("{", "line 1 can't be read as JSON"),
        ('{"hat": 1}', "line 1 names no picture"),
        ("[" * 9**6, "JSON"),
    ):
        path.write_text(text)
        with pytest.raises(TlganError, match=match):
            read_labelled(folder, path)
    path.write_text('{"file_name": "000.png"}')
    with pytest.raises(TlganError, match="has no labels"):
        read_labelled(folder, path)


def test_metadata_in_the_parts_of_a_data_set(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "test")):
        _picture(tmp_path / part / "0.png", 90 * number)
        (tmp_path / part / "metadata.jsonl").write_text(f'{{"file_name": "0.png", "hat": {number}}}\n')
    found = read_labelled(tmp_path, None)
    assert dict(zip(found.names, found.columns["hat"], strict=True)) == {"train/0.png": 0, "test/0.png": 1}
    assert sorted(map(bytes, found.read(0))) == sorted(
        (tmp_path / part / "0.png").read_bytes() for part in ("train", "test")
    )


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_counts_the_rows_is_no_label(folder: Path, tmp_path: Path, first: int) -> None:
    (tmp_path / "l.csv").write_text(",file,hat\n" + "".join(f"{n + first},00{n}.png,{n % 2}\n" for n in range(4)))
    found = read_labelled(folder, tmp_path / "l.csv")
    assert list(found.columns) == ["hat"]
    assert "only counts the rows" in found.source


def test_jfif_and_avif_are_pictures(tmp_path: Path) -> None:
    kinds_of = {"cat": ("0.jfif", "JPEG"), "dog": ("0.AVIF", "AVIF") if features.check("avif") else ("0.jpe", "JPEG")}
    for word, (name, kind) in kinds_of.items():
        (tmp_path / word).mkdir()
        (tmp_path / word / name).write_bytes(encoded(halves(), kind, quality=95))
    found = read_labelled(tmp_path, None)
    assert found.columns["class"] == ["cat", "dog"]
    for data in found.read(0):
        picture = square(data, 32)
        assert picture is not None
        assert picture[4, 4, 0] > 200 > 90 > picture[4, 4, 2]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "# made by hand\nfile\tred\n{0}\t0\n{1}\t1\n{2}\t1\n"),
        ("l.csv", "sep=|\nfile|red\n{0}|0\n{1}|1\n{2}|1\n"),
        ("l.csv", "file,red,\n{0},0,\n{1},1,\n{2},1,\n"),
        ("l.txt", "file,red\n{0},0\n{1},1\n{2},1\n"),
        ("l.txt", "file  red\n{0}  0\n{1}  1\n{2}  1\n"),
        ("l.lst", "file\tred\n{0}\t0\n{1}\t1\n{2}\t1\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_tables_with_other_separators_remarks_and_without_marks(
    folder: Path, tmp_path: Path, name: str, text: str, encoding: str
) -> None:
    (tmp_path / name).write_bytes(text.format(*_names(folder)).encode(encoding))
    labelled = read_labelled(folder, tmp_path / name)
    assert labelled.columns == {"red": ["0", "1", "1"]}
    assert None not in list(labelled.read(0))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())[:3]


def test_a_list_of_paths_and_labels_needs_no_line_of_names(folder: Path, tmp_path: Path) -> None:
    names = _names(folder)
    (tmp_path / "l.txt").write_text("".join(f"{at} pictures/{name} {at % 2}\n" for at, name in enumerate(names)))
    labelled = read_labelled(folder, tmp_path / "l.txt")
    assert labelled.columns == {"label_3": ["0", "1", "0"]}
    assert "only counts the rows" in labelled.source


@pytest.mark.parametrize("name", ["l.json", "l.xlsx"])
def test_other_tables_say_what_to_save_them_as(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[]")
    with pytest.raises(TlganError, match="save it as CSV"):
        read_labelled(folder, tmp_path / name)
    with pytest.raises(TlganError, match=f"--labels .*{name}"):
        read_labelled(tmp_path / name, None)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["1.234,5", "12,5", "1.000"], [1234.5, 12.5, 1000]),
        (["1,234.5", "12.5", "1,000"], [1234.5, 12.5, 1000]),
        (["1 234,5", "12,5", "1\u202f000"], [1234.5, 12.5, 1000]),
        (["1.234.567", "8", "9"], [1234567, 8, 9]),
        (["85 %", "3,5%", "0%"], [85, 3.5, 0]),
        (["\u22122,5", "3", "-1"], [-2.5, 3, -1]),
        (["0,5", "1.5", "n/a"], [0.5, 1.5, np.nan]),
    ],
)
def test_numbers_of_other_countries_are_numbers(words: list[str], values: list[float]) -> None:
    (target,) = read_targets({"height": words})
    assert target.kind == "number"
    assert target.values.tolist() == pytest.approx(values, nan_ok=True)


def test_a_folder_around_a_data_set_is_no_class(tmp_path: Path) -> None:
    for part, kind in product(("train", "val"), ("cat", "dog")):
        _picture(tmp_path / "around" / "data" / part / kind / "a.png", 30)
    assert sorted(read_labelled(tmp_path / "around", None).columns["class"]) == ["cat", "cat", "dog", "dog"]
