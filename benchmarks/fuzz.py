"""Damaged bytes against every reader of what strangers hand on: each must be read, or refused in one clear line.

    python benchmarks/fuzz.py --seconds 60                    # a minute of each target, guided by coverage
    python benchmarks/fuzz.py --targets labels,state --seed 3
    python benchmarks/fuzz.py --targets pickle --atheris      # libFuzzer in place of the loop here, where it is installed

An input is a real file, small and made here, that was damaged: bits flipped, cut, repeated, spliced from another one,
lengths, opcodes and numbers replaced. One that takes a path through `tlgan` that none before has taken is kept and
damaged further. A fault is any exception but `TlganError`, more than one line, 2 seconds of processor time, a gigabyte
of memory, or anything executed, imported, sent or opened for writing. Equal faults (same place, same kind) count once.
"""

from __future__ import annotations

import argparse
import codecs
import gzip
import io
import json
import os
import pickle
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1] / "tests"
SECONDS, MEGABYTES, LETTERS = 2.0, 1000, 1500
KEPT = 2000  # inputs that a target goes on from, at most
_FORBIDDEN = ("exec", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "shutil.")
_OPCODES = bytes(pickle.__dict__[name][0] for name in pickle.__all__ if isinstance(pickle.__dict__[name], bytes))
_LENGTHS = (0, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
_WORDS = (b"1e999", b"-1", b"9" * 400, b"9" * 5000, b"null", b"NaN", b"[" * 2000, b"{}", b'"', b"\0", b"\xff", b"\r\n",
          b"../", "\u00b2".encode(), b"a" * 300, b"true", b"0.5", b"\xed\xa0\x80", b"#", b"'")  # fmt: skip


@dataclass(frozen=True)
class Target:
    """``seeds``: whole inputs; ``read(data, folder)``: read one of them, `folder` being empty and writable before."""

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], Callable[[], Any]]


# -- targets: `read` puts the bytes where they belong and returns what is watched ----------------------------------


ZIPPED = (".pt", ".pth", ".ckpt")


def checkpoints(*endings: str) -> Callable[[], list[bytes]]:
    """Small networks in the formats of `torch.save`, safetensors, and the files of `tests/checkpoints`."""

    def seeds() -> list[bytes]:
        import torch

        from tlgan.generators.checkpoint.reader import parse_checkpoint
        from tlgan.generators.formats.converted import write_blueprint
        from tlgan.generators.formats.kinds import blueprint_of

        files = sorted(path for path in (TESTS / "checkpoints").iterdir() if path.suffix in (".pkl", *ZIPPED))
        found = {path.name: path.read_bytes() for path in files}
        generator = torch.Generator().manual_seed(0)
        state = {}
        for index, (inputs, outputs) in enumerate([(8, 8), (8, 4), (4, 3)]):
            state[f"main.{3 * index}.weight"] = torch.randn(inputs, outputs, 4, 4, generator=generator)
            if index < 2:
                for leaf in ("weight", "bias", "running_mean", "running_var"):
                    state[f"main.{3 * index + 1}.{leaf}"] = torch.rand(outputs, generator=generator)
        for name, tree in (("bare", state), ("nested", {"netG": state, "epoch": 3, "loss": [0.5, 1.5]})):
            for zipped in (True, False):
                for protocol in (2, 4):
                    buffer = io.BytesIO()
                    torch.save(tree, buffer, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
                    found[f"{name}-{protocol}.{'zip' if zipped else 'legacy'}"] = buffer.getvalue()
        if "safetensors" in endings:
            with tempfile.TemporaryDirectory() as folder:
                for name in ("bare-2.zip", "sg3r_32.pkl"):
                    blueprint = blueprint_of(parse_checkpoint(Path(name), memoryview(found[name])))
                    write_blueprint(blueprint, out := Path(folder) / "converted.safetensors")
                    found[f"{name}.safetensors"] = out.read_bytes()
        return [data for name, data in found.items() if name.endswith(endings)]

    return seeds


def checkpoint(data: bytes, folder: Path, name: str = "generator") -> Callable[[], Any]:
    """Up to the finished generator, and as `tlgan inspect` does."""
    from tlgan.generators.checkpoint.reader import read_checkpoint
    from tlgan.generators.formats.inspection import sizes_of
    from tlgan.generators.formats.kinds import blueprint_of, build, is_black_box

    (path := folder / name).write_bytes(data)

    def read() -> None:
        found = read_checkpoint(path)
        if not is_black_box(found):
            blueprint = blueprint_of(found)
            sizes_of(blueprint)
            build(blueprint, name=path.name)

    return read


def packed() -> list[bytes]:
    """Checkpoints to be packed with gzip once they are damaged, and packed ones to be damaged."""
    plain = sorted(checkpoints("tf_stylegan1.pkl", "bare-2.zip", "bare-2.legacy")(), key=len)
    return [b"p" + data for data in plain] + [b"g" + gzip.compress(data, 1) for data in plain[:2]]


def gzipped(data: bytes, folder: Path) -> Callable[[], Any]:
    """A checkpoint in gzip."""
    return checkpoint(data[1:] if data[:1] == b"g" else gzip.compress(data[1:], 1), folder)


def models() -> list[bytes]:
    """Keras models as a configuration, where their tensors lie, and their bytes; each part after its length."""
    import zipfile

    from tlgan.generators.checkpoint.hdf5_child import described

    found = []
    for name in ("keras2_acgan.h5", "keras3_acgan.keras"):
        path = TESTS / "checkpoints" / name
        data, member, config = path.read_bytes(), "", ""
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                member, config = "model.weights.h5", archive.read("config.json").decode()
                data = archive.read(member)
        answer = described(str(path), member, limited=False)
        parts = [(config or answer["config"]).encode(), json.dumps(answer["tensors"]).encode(), data]
        found.append(b"".join(struct.pack("<I", len(part)) + part for part in parts))
    return found


def keras(data: bytes, folder: Path) -> Callable[[], Any]:
    """What is made of a Keras file once another process has said where its tensors lie."""
    from tlgan.errors import TlganError
    from tlgan.generators.checkpoint.keras_files import parsed
    from tlgan.generators.checkpoint.records import Allowance
    from tlgan.generators.formats.inspection import sizes_of
    from tlgan.generators.formats.kinds import build
    from tlgan.generators.nets.keras_graph import read_keras
    from tlgan.io.foreign import json_of

    parts = []
    for _ in range(2):
        length = int.from_bytes(data[:4], "little")
        parts.append(data[4 : 4 + length])
        data = data[4 + length :]

    def read() -> None:
        try:
            places = json_of(parts[1].decode("utf-8", "replace"))
        except ValueError as error:
            raise TlganError("no JSON") from error
        weights = data[4:]
        file = parsed(parts[0].decode("utf-8", "replace"), places, memoryview(weights), Allowance(len(weights)))
        blueprint = read_keras(file)
        sizes_of(blueprint)
        build(blueprint, name="model")

    return read


_PAIRS = ("MappingNetwork.xml", "MappingNetwork.bin", "SynthesisNetwork.xml", "SynthesisNetwork.bin")


def networks() -> list[bytes]:
    """OpenVINO's files, each after its length: a MobileStyleGAN, and a network alone."""
    sys.path.insert(0, str(TESTS.parent))
    from tests.generators import openvino_writer

    found = []
    for alone in (False, True):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            if alone:
                openvino_writer.plain().write(folder / _PAIRS[2])
            else:
                openvino_writer.write_pair(folder)
            files = [(folder / name).read_bytes() if (folder / name).exists() else b"" for name in _PAIRS]
        found.append(b"".join(struct.pack("<I", len(file)) + file for file in files))
    return found


def openvino(data: bytes, folder: Path) -> Callable[[], Any]:
    """The XML files with their `.bin` beside them."""
    for name in _PAIRS:
        length = int.from_bytes(data[:4], "little")
        if content := data[4 : 4 + length]:
            (folder / name).write_bytes(content)
        data = data[4 + length :]
    (folder / _PAIRS[2]).touch()
    return checkpoint((folder / _PAIRS[2]).read_bytes(), folder, _PAIRS[2])


def graphs() -> list[bytes]:
    """ONNX files: a classifier, and one whose numbers lie beside it."""
    from onnx import TensorProto, helper, numpy_helper

    found = []
    for outside in (False, True):
        weights = numpy_helper.from_array(np.ones((48, 2), np.float32), "w")
        if outside:
            weights.ClearField("raw_data")
            weights.data_location = TensorProto.EXTERNAL
            weights.external_data.add(key="location", value="numbers.bin")
        nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["m"]),
                 helper.make_node("Sigmoid", ["m"], ["y"])]  # fmt: skip
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", ["n", 3, 4, 4]), ("y", ["n", 2]))
        ]
        found.append(
            helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], [weights])).SerializeToString()
        )
    return found


def onnx(data: bytes, folder: Path) -> Callable[[], Any]:
    """What is read of it in this process, before and after the trial in a child."""
    from tlgan.extractors.onnx_graph import read_graph
    from tlgan.io.trial import _data, _in_here

    (path := folder / "model.onnx").write_bytes(data)
    (folder / "numbers.bin").write_bytes(bytes(384))
    return lambda: (read_graph(path), _data(path, _in_here(path, path.name)))


def settings(data: bytes, folder: Path) -> Callable[[], Any]:
    """`tlgan.toml` of a workspace, and the description of an extractor."""
    from tlgan.extractors.description import read_description
    from tlgan.workspace.settings import SETTINGS_FILE, Settings

    kind, text = data[:1], data[1:].decode("utf-8", "replace")
    return lambda: (Settings.from_toml if kind == b"s" else read_description)(text, SETTINGS_FILE)


def written_settings() -> list[bytes]:
    """One of each."""
    from tlgan.extractors import Feature
    from tlgan.extractors.description import Description, Head, InputPlan, Prompt
    from tlgan.workspace.settings import Settings

    feature = Feature("smiling", "probability", "Mouth", "Smiling", "no", "yes")
    heads = (Head(feature, output="y", column=1, activation="sigmoid", weights=(1.0, 2.0)),)
    plan = InputPlan(size=32, mean=(0.5,), sd=(0.25,))
    several = Settings("g.pth", "0" * 64, "z", 0.7, 3, ("celeba40", "a.toml"), 1, 99, ("male",), 64, ("1" * 64,),
                       (("a.toml", "2" * 64),), {"lod": 1.0, "norm": "batch"})  # fmt: skip
    texts = [
        Description(model="a.onnx", sha256="0" * 64, input=plan, heads=heads).to_toml(),
        Description(kind="text", model="hf:a/b", prompts=(Prompt("a hat", "no hat", feature),)).to_toml(),
    ]
    return [b"s" + entry.to_toml().encode() for entry in (Settings("g.pth"), several)] + [
        b"d" + text.encode() for text in texts
    ]


def recipe() -> Any:
    """Of the samples here."""
    from tlgan.samples.recipe import Recipe

    return Recipe("g" * 64, "z", 4, 0, ("halves",), ("left", "right"), part_rows=8)


def parts() -> list[bytes]:
    """Two Parquet parts of samples, full and not."""
    from tlgan.samples.store import SampleStore, part_name, to_table

    with tempfile.TemporaryDirectory() as folder:
        store = SampleStore(Path(folder) / "samples", recipe())
        for number, rows in enumerate((8, 3)):
            latents, features = np.ones((rows, 4), np.float32), np.zeros((rows, 2), np.float32)
            table = to_table(
                recipe(), start=8 * number, latents={"z": latents}, features=features, thumbnails=[b"x"] * rows
            )
            store.write(number, table)
        return [(store.folder / part_name(number)).read_bytes() for number in range(2)]


def samples(data: bytes, folder: Path) -> Callable[[], Any]:
    """A store of one part."""
    from tlgan.samples.store import SampleStore, part_name

    (folder / part_name(0)).write_bytes(data)

    def read() -> None:
        store = SampleStore.open(folder)
        store.rows()
        SampleStore(folder, recipe()).measured()
        for latents, _ in store.read_arrays():
            latents.sum()

    return read


def tables() -> list[bytes]:
    """Label files: CSV, also in UTF-16 and GBK, TSV, CelebA's list, JSON lines, Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"file": ["a.png", "b.png"], "warm": [0, 1], "age": [1.5, None]}), buffer := io.BytesIO())
    pq.write_table(pa.table({"image": [b"x", b"y"], "label": ["a", "b"]}), inside := io.BytesIO())
    texts = [b"cfile,warm,age\na.png,1,3.5\nb.png,0,\n", b"c\"a.png\";1\n\"b.png\";0\n", b"tname\twarm\na.png\t1\n",
             b"l2\nSmiling Male\na.png 1 -1\nb.png -1 1\n",
             b'j{"file_name": "x/A.jpg", "warm": 1}\n{"file_name": "b", "warm": null}\n',
             b"c" + "file,帽子\nC:\\x\\a.PNG,是\nb.png,否\n".encode("utf-16"),
             b"c" + "文件,帽子\na,是\nb.png,否\n".encode("gbk")]  # fmt: skip
    return [*texts, b"p" + buffer.getvalue(), b"p" + inside.getvalue()]


def labels(data: bytes, folder: Path) -> Callable[[], Any]:
    """A file of labels with the folder of its pictures."""
    from tlgan.training.readers import read_labelled

    ending = {b"c": "csv", b"t": "tsv", b"p": "parquet", b"j": "jsonl"}.get(data[:1], "txt")
    (table := folder / f"labels.{ending}").write_bytes(data[1:])
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").write_bytes(b"")

    def read() -> None:
        found = read_labelled(folder / "pictures", table)
        list(found.read(0))

    return read


def known_axes() -> Any:
    """Axes of two features over four coordinates, fitted once."""
    if not _AXES:
        from tlgan.axes import AxisLearner
        from tlgan.extractors import Feature

        rng = np.random.default_rng(0)
        features = (Feature("left", "quantity"), Feature("right", "probability"))
        learner = AxisLearner(features, 4)
        latents = rng.standard_normal((400, 4), np.float32)
        learner.add(latents, np.stack([latents[:, 0], 1 / (1 + np.exp(-latents[:, 1]))], axis=1).astype(np.float32))
        _AXES.append(learner.axes(generator="g" * 64, space="z", extractors=("halves",)))
    return _AXES[0]


_AXES: list[Any] = []


def edits() -> list[Any]:
    """Edits of those axes."""
    from tlgan.editing import Edit, Reached

    latent = np.ones(4, np.float32)
    return [
        Edit(latent, {"left": 1.0}, seed=3),
        Edit(latent, {"left": 1.0}, frozenset({"right"}), exact=True, reached=Reached(latent)),
    ]


def pictures() -> list[bytes]:
    """PNGs with a state inside, and states as they are."""
    from tlgan.editing.state import png_with_state, to_json

    states = [to_json(edit, known_axes()) for edit in edits()]
    found = [png_with_state(np.zeros((8, 8, 3), np.uint8), state) for state in states]
    return found + [json.dumps(state).encode() for state in states]


def state(data: bytes, folder: Path) -> Callable[[], Any]:
    """A saved picture that is opened again."""
    from tlgan.editing.state import from_json, read_png
    from tlgan.web.server.wire import parse

    return lambda: from_json(read_png(data) if data[:1] == b"\x89" else parse(data), known_axes())


def messages() -> list[bytes]:
    """What a page asks."""
    from tlgan.web.server.wire import face_json

    faces = [face_json(edit) for edit in edits()] + [{"seed": 7, "asked": {"left": 2}, "soft": {"right": 0.5}}]
    asked = [{"id": 1, "face": face, "size": 64, "quality": "final", "feature": "left"} for face in faces]
    asked += [{"id": 2, "mix": {"a": faces[0], "b": faces[1], "at": 0.5}, "wanted": {"right": 1.0}, "count": 4}]
    return [json.dumps(message).encode() for message in asked]


def message(data: bytes, folder: Path) -> Callable[[], Any]:
    """One message, by all that look into it."""
    from tlgan.errors import TlganError
    from tlgan.web.server import wire

    world = known_axes()

    def latent_of(seed: int) -> Any:
        return np.zeros(4, np.float32)

    def read() -> None:
        found = wire.parse(data)
        mix = found.get("mix")
        looks: list[Callable[[], Any]] = [
            lambda: wire.exact_faces(found),
            lambda: wire.integer(found, "id", 0, 2**32 - 1),
            lambda: wire.integer(found, "size", *wire.SIZES, default=128),
            lambda: wire.wishes(found, "wanted", world),
            lambda: wire.feature(found, world),
            lambda: wire.quality(found, wire.face(found, "face", world, latent_of)),
            lambda: wire.number(mix, "at", 0, 1) if isinstance(mix, dict) else None,
            lambda: wire.face(mix, "a", world, latent_of) if isinstance(mix, dict) else None,
        ]
        for look in looks:
            try:
                look()
            except TlganError as error:
                checked(error)

    return read


def requests() -> list[bytes]:
    """Heads of HTTP requests."""
    common = b"Host: 127.0.0.1:8000\r\nOrigin: http://127.0.0.1:8000\r\nCookie: tlgan_9f86d081884c=1\r\n"
    return [
        b"GET /?token=t HTTP/1.1\r\n" + common + b"\r\n",
        b"POST /api/open HTTP/1.1\r\n" + common + b"Content-Type: image/png\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /live?x=%00 HTTP/1.1\r\n" + common + b"Upgrade: websocket\r\nSec-WebSocket-Key: AAAA\r\n\r\n",
    ]


def http(data: bytes, folder: Path) -> Callable[[], Any]:
    """A request as the server's parser takes it, before the guard."""
    import h11
    from starlette.responses import Response

    from tlgan.web.server.guard import LOOPBACK, Guard
    from tlgan.web.server.outside import Outside

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Response("in")(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None: ...

    def read() -> None:
        from urllib.parse import unquote

        connection = h11.Connection(h11.SERVER)
        try:
            connection.receive_data(data)
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return
        if not isinstance(event, h11.Request):
            return
        path, _, query = event.target.partition(b"?")
        websocket = any(name == b"upgrade" for name, _ in event.headers)
        scope = {
            "type": "websocket" if websocket else "http", "method": event.method.decode("ascii"), "http_version": "1.1",
            "scheme": "http", "path": unquote(path.decode("ascii")), "raw_path": path, "root_path": "",
            "query_string": query, "headers": list(event.headers), "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000), "extensions": {}, "subprotocols": [],
        }  # fmt: skip
        for hosts, token in ((LOOPBACK, None), (None, "t")):
            walk = Guard(app, hosts=hosts, token=token, outside=Outside())(dict(scope), receive, send)
            try:
                walk.send(None)  # nothing in it waits
            except StopIteration:
                continue
            raise AssertionError("it waits")

    return read


def saved_axes() -> list[bytes]:
    """`axes.safetensors`."""
    with tempfile.TemporaryDirectory() as folder:
        known_axes().save(path := Path(folder) / "axes.safetensors")
        return [path.read_bytes()]


def axes_file(data: bytes, folder: Path) -> Callable[[], Any]:
    """Read, and used as a slider does."""
    from tlgan.axes import Axes

    (path := folder / "axes.safetensors").write_bytes(data)

    def read() -> None:
        found = Axes.load(path)
        found.index(found.names[0]) if found.names else None

    return read


def arrays() -> list[bytes]:
    """Directions that were found elsewhere, each after a letter for its ending."""
    import torch

    rng = np.random.default_rng(0)
    one, many = rng.standard_normal(8), rng.standard_normal((3, 8)).astype(np.float32)
    found = []
    for letter, write in (
        (b"y", lambda file: np.save(file, one)),
        (b"y", lambda file: np.save(file, np.asfortranarray(many))),
        (b"z", lambda file: np.savez_compressed(file, lat_comp=many, lat_mean=one)),
        (b"z", lambda file: np.savez(file, boundary=one[None])),
        (b"t", lambda file: torch.save({"eigvec": torch.from_numpy(many.T.copy())}, file)),
        (b"t", lambda file: torch.save(torch.from_numpy(many).bfloat16(), file)),
    ):
        write(buffer := io.BytesIO())
        found.append(letter + buffer.getvalue())
    return found


def directions(data: bytes, folder: Path) -> Callable[[], Any]:
    """As `import-axes` reads them."""
    from tlgan.workspace.foreign import read_direction

    (path := folder / ("axis" + {b"y": ".npy", b"z": ".npz"}.get(data[:1], ".pt"))).write_bytes(data[1:])
    return lambda: read_direction(path, 0 if data[:1] == b"t" else None)


def inversions() -> list[bytes]:
    """Photographs as latents, in both forms."""
    from tlgan.photographs.state import Inversion

    square = np.array([[30.0, 0, 40], [0, 30, 50]])
    state = Inversion(np.ones((2, 8), np.float32), "w", "g" * 64, square, np.ones((5, 2)), "p" * 64, (90, 80), "ffhq")
    with tempfile.TemporaryDirectory() as folder:
        return [state.save(Path(folder) / f"face{ending}").read_bytes() for ending in (".npz", ".safetensors")]


def inversion(data: bytes, folder: Path) -> Callable[[], Any]:
    """As `edit --photograph` reads them."""
    from tlgan.photographs.state import load_inversion

    (path := folder / ("face.npz" if data[:2] == b"PK" else "face.safetensors")).write_bytes(data)
    return lambda: load_inversion(path)


def claimed() -> list[bytes]:
    """Pictures and films that say what they are."""
    from tlgan.editing.film import write_film
    from tlgan.provenance import Claim, encode, signing

    rng = np.random.default_rng(0)
    claim = Claim("edited", generator="faces", asked='smiling=+2 "<&>"', parent="ef" * 32)
    found = [
        encode(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8), claim, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_film(film := Path(folder) / "a.mp4", rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8), 5, claim)
        found += [film.read_bytes(), b"II*\0" + found[0]]
        if signing.available():
            os.environ[signing.VARIABLE] = str(signing.make_key(Path(folder) / "key", "Jo Example"))
            found.append(encode(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8), claim))
            del os.environ[signing.VARIABLE]
    return found


def provenance(data: bytes, folder: Path) -> Callable[[], Any]:
    """As `verify` reads and tells them."""
    from tlgan.provenance import verify

    return lambda: verify(data).lines()


def photographs() -> list[bytes]:
    """Small ones of each format, with Exif."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274], exif[271] = 6, "camera"
    found = []
    for kind, mode in (
        ("JPEG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("WEBP", "RGB"),
        ("TIFF", "RGB"),
        ("BMP", "RGB"),
    ):
        image = Image.fromarray(pixels).convert(mode)
        image.save(buffer := io.BytesIO(), kind, **({} if kind == "BMP" else {"exif": exif}))
        found.append(buffer.getvalue())
    return found


def photograph(data: bytes, folder: Path) -> Callable[[], Any]:
    """As `invert` and the page read them."""
    from tlgan.photographs.reading import read_photograph

    return lambda: read_photograph(data)


def wanted() -> list[bytes]:
    """Tables whose distribution a data set is to have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {"left": [0.5, 1.5, -2.0], "right": [1, 0, None], "name": ["a", "b", "c"]}
    pq.write_table(pa.table(rows), buffer := io.BytesIO())
    text = "Left,right,name\n0.5,1,a\n1.5,,b\n-2,0,c\n"
    return [b"c" + text.encode(), b"p" + buffer.getvalue()]


def like(data: bytes, folder: Path) -> Callable[[], Any]:
    """As `dataset --like` reads them."""
    from tlgan.dataset.request import read_like

    (path := folder / ("like.parquet" if data[:1] == b"p" else "like.csv")).write_bytes(data[1:])
    return lambda: read_like(path, known_axes(), {"left": (0.0,)})


def heads() -> list[bytes]:
    """Extractors as safetensors: a reader of pixels, and a head on an embedding."""
    from dataclasses import asdict

    import torch
    from safetensors.torch import save

    from tlgan.extractors import Feature, reader
    from tlgan.extractors import head as heads

    feature = Feature("smiling", "probability", "Mouth", "Smiling", "no", "yes")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reader.safetensors"
        reader.save_reader(path, [feature], np.zeros((1, 3 * reader.SIDE**2), np.float32), np.zeros(1, np.float32))
        found = path.read_bytes()
    described = json.dumps({"backbone": "no-such-backbone", "feature": asdict(feature)})
    tensors = {"weight": torch.ones(4), "bias": torch.tensor(0.5), "probe": torch.ones(4)}
    return [b"r" + found, b"h" + save(tensors, metadata={heads.METADATA_KEY: described})]


def head(data: bytes, folder: Path) -> Callable[[], Any]:
    """Read by the reader of its kind, and as a network that was trained here."""
    from tlgan.errors import TlganError
    from tlgan.extractors.head import load_head
    from tlgan.extractors.reader import load_reader
    from tlgan.extractors.trained import load_network

    (path := folder / "head.safetensors").write_bytes(data[1:])

    def read() -> None:
        try:
            load_network(path)
        except TlganError as error:
            checked(error)
        try:
            (load_reader if data[:1] == b"r" else load_head)(path)
        except TlganError as error:
            if "no-such-backbone" not in str(error):
                raise

    return read


TARGETS = {
    "pickle": Target(checkpoints("pkl", "legacy"), checkpoint),
    "zip": Target(checkpoints("zip", *ZIPPED), checkpoint),
    "gzip": Target(packed, gzipped),
    "safetensors": Target(checkpoints("safetensors"), checkpoint),
    "openvino": Target(networks, openvino),
    "keras": Target(models, keras),
    "onnx": Target(graphs, onnx),
    "settings": Target(written_settings, settings),
    "axes": Target(saved_axes, axes_file),
    "samples": Target(parts, samples),
    "labels": Target(tables, labels),
    "state": Target(pictures, state),
    "directions": Target(arrays, directions),
    "inversion": Target(inversions, inversion),
    "provenance": Target(claimed, provenance),
    "photograph": Target(photographs, photograph),
    "like": Target(wanted, like),
    "head": Target(heads, head),
    "message": Target(messages, message),
    "http": Target(requests, http),
}

# -- one input -----------------------------------------------------------------------------------------------------


class Fault(Exception):
    """What a reader did that no reader may do."""


class _Slow(BaseException):
    """Too much processor time: passes through `except Exception`."""


def checked(error: Exception) -> None:
    """A refusal is one line that a person can read."""
    line = str(error)
    if "\n" in line or "\r" in line:
        raise Fault(f"more than one line: {line[:200]!r}")
    if len(line) > LETTERS:
        raise Fault(f"a line of {len(line)} characters: {line[:200]!r}")


class Watch:
    """Notes what Python's audit events say was done while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        self.known = {name.partition(".")[0] for name in sys.modules}
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        written = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        foreign = event == "import" and args[0].partition(".")[0] not in self.known
        if event.startswith(_FORBIDDEN) or written or foreign:
            self.seen.append(f"{event} {args!r}"[:200])


_WATCHES: list[Watch] = []  # audit hooks can't be taken off


def once(read: Callable[[], Any], trace: Callable[..., Any] | None = None) -> str:
    """Read one input; "read" or "refused". Raises Fault."""
    from tlgan.errors import TlganError

    watch = _WATCHES[0]
    watch.seen.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    result = "read"
    signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
    try:
        watch.on = True
        sys.settrace(trace)
        try:
            read()
        finally:
            sys.settrace(None)
            watch.on = False
            signal.setitimer(signal.ITIMER_PROF, 0)
    except TlganError as error:
        checked(error)
        result = "refused"
    except Fault:
        raise
    except (Exception, _Slow) as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f for f in reversed(frames) if "/tlgan/" in f.filename), frames[-1])
        raise Fault(
            f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:150]}"
        ) from error
    if time.process_time() - started > SECONDS * (3 if trace else 1):
        raise Fault(f"{time.process_time() - started:.1f} s")
    if (grown := (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024) > MEGABYTES:
        raise Fault(f"{grown:.0f} MB")
    if watch.seen:
        raise Fault(f"did {watch.seen[0]}")
    return result


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Some damage."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        # most of a file is weights; its structure is at the ends, or wherever text is
        where = rng.randrange(len(changed))
        if rng.random() < 0.7:
            where = min(rng.randrange(min(4000, len(changed))), len(changed) - 1)
        if rng.random() < 0.3:
            where = len(changed) - 1 - where
        size = rng.choice((1, 1, 2, 4, 8, 64, 1000))
        match rng.randrange(11):
            case 0:
                changed[where] ^= 1 << rng.randrange(8)
            case 1:
                changed[where] = rng.choice(_OPCODES)
            case 2:
                changed[where : where + 4] = struct.pack("<I", rng.choice(_LENGTHS))
            case 3:
                changed[where : where + 8] = struct.pack("<Q", rng.choice(_LENGTHS) << rng.choice((0, 8, 31)))
            case 4:
                del changed[where : where + size]
            case 5:
                changed[where:where] = changed[where : where + size] * rng.choice((1, 2, 100))
            case 6:
                start = rng.randrange(len(other) or 1)
                changed[where : where + size] = other[start : start + size]
            case 7:
                del changed[where:]
            case 8:
                changed[where:where] = bytes(rng.choice(_OPCODES) for _ in range(size % 100))
            case 9:
                changed[where:where] = rng.choice(_WORDS)
            case 10:  # a word or a number in text
                end = where
                while (
                    end < len(changed) and end < where + 40 and (chr(changed[end]).isalnum() or changed[end] in b".-")
                ):
                    end += 1
                changed[where:end] = rng.choice(_WORDS)
    return bytes(changed)


# -- many inputs ---------------------------------------------------------------------------------------------------


class Paths:
    """Which ways through the source of tlgan were taken; `trace` is for `sys.settrace`."""

    def __init__(self) -> None:
        import tlgan

        self.root = str(Path(tlgan.__file__).parent)
        self.arcs: set[int] = set()  # of all inputs
        self.paths: set[int] = set()
        self.taken: set[int] = set()  # by this input

    def trace(self, frame: Any, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self.root):
            return None
        code, last, add = id(frame.f_code), 0, self.taken.add

        def line(frame: Any, event: str, arg: Any) -> Any:
            nonlocal last
            add(hash((code, last, frame.f_lineno)))
            last = frame.f_lineno
            return line

        return line

    def new(self) -> bool:
        """Whether the last input took a step that none before has taken."""
        self.paths.add(hash(frozenset(self.taken)))
        found = not self.taken <= self.arcs
        self.arcs |= self.taken
        self.taken.clear()
        return found


@contextmanager
def prepared(target: Target) -> Iterator[tuple[list[bytes], Callable[[bytes], Callable[[], Any]]]]:
    """The target's seeds, each of which can be read, and how one input is laid out in an empty folder."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        count = 0

        def laid(data: bytes) -> Callable[[], Any]:
            nonlocal count
            count += 1
            (folder := Path(scratch) / str(count)).mkdir()
            for path in sorted((Path(scratch) / str(count - 2)).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            return target.read(data, folder)

        seeds = target.seeds()
        for data in seeds:
            laid(data)()
        for word in _WORDS:  # what is imported on first use is no fault of a file's
            try:
                laid(seeds[0][:1] + word)()
            except Exception:
                continue
        for codec in (
            "raw_unicode_escape",
            "utf-16-le",
            "utf-16-be",
        ):  # of texts in pickles and tables: imported on first use
            codecs.lookup(codec)
        if not _WATCHES:
            _WATCHES.append(Watch())
        _WATCHES[0].known = {name.partition(".")[0] for name in sys.modules}

        def slow(*_: Any) -> None:
            raise _Slow(f"more than {SECONDS} s")

        signal.signal(signal.SIGPROF, slow)
        yield seeds, laid


def fuzz(
    name: str, seed: int = 0, *, runs: int = 0, seconds: float = 0.0, guided: bool = True, keep: Path | None = None
) -> dict[str, Any]:
    """Damage inputs of a target until `runs` or `seconds` are over: counts, and the faults with an input of each."""
    rng, paths, faults = random.Random(seed), Paths(), {}
    counts = {"read": 0, "refused": 0}
    with prepared(TARGETS[name]) as (seeds, laid):
        corpus, began, tried = list(seeds), time.monotonic(), 0
        weights = [1 / (2000 + len(data)) ** 0.7 for data in corpus]  # small ones are quick to read
        while tried < runs if runs else time.monotonic() - began < seconds:
            one, other = rng.choices(corpus, weights, k=2)
            data = mutate(one, other, rng)
            tried += 1
            try:
                counts[once(laid(data), paths.trace if guided else None)] += 1
            except Fault as fault:
                key = str(fault).partition(": ")[0]
                if key not in faults:
                    faults[key] = f"{fault} (run {tried} of seed {seed})"
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / f"{name}-{len(faults)}.bin").write_bytes(data)
            if guided and paths.new() and len(corpus) < KEPT and len(data) < 2**20:
                corpus.append(data)
                weights.append(1 / (2000 + len(data)) ** 0.7)
        took = time.monotonic() - began
    found = {"target": name, "inputs": tried, **counts, "seconds": round(took)}
    if guided:
        found |= {"steps": len(paths.arcs), "paths": len(paths.paths), "corpus": len(corpus)}
    return found | {"faults": list(faults.values())}


def by_atheris(name: str, seconds: float, seed: int) -> None:
    """The same by libFuzzer, which ends the process at the first fault and says how many inputs and edges there were."""
    import atheris

    with atheris.instrument_imports(include=["tlgan"], enable_loader_override=False):
        import tlgan  # noqa: F401

        scope = prepared(TARGETS[name])
        seeds, laid = scope.__enter__()
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(data)
        limits = [f"-max_total_time={seconds:.0f}", f"-seed={seed + 1}", "-max_len=65536", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], corpus, *limits], lambda data: once(laid(data)))
        atheris.Fuzz()


def main() -> None:
    """One JSON object a target; exit with 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="where faulty inputs are written")
    parser.add_argument("--atheris", action="store_true")
    options = parser.parse_args()
    bad = False
    for name in options.targets.split(","):
        if options.atheris:
            by_atheris(name, options.seconds, options.seed)
        found = fuzz(name, options.seed, seconds=options.seconds, keep=options.keep)
        bad |= bool(found["faults"])
        print(json.dumps(found), flush=True)
    raise SystemExit(bad)


if __name__ == "__main__":
    main()
