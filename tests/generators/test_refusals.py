"""Files that are no generator, or none that is read: each is named, in one line that ends with a way out."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tlgan.errors import TlganError
from tlgan.generators import load_generator

NOISE = np.random.default_rng(0).bytes(400)


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    write(buffer := io.BytesIO())
    return buffer.getvalue()


def zipped(*names: str) -> bytes:
    def write(buffer: io.BytesIO) -> None:
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, NOISE)

    return written(write)


def tarred(mode: str) -> bytes:
    def write(buffer: io.BytesIO) -> None:
        with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
            entry = tarfile.TarInfo("netG.pth")
            entry.size = len(NOISE)
            archive.addfile(entry, io.BytesIO(NOISE))

    return written(write)


#: The file's bytes, what it is called, and how its line ends.
FILES: dict[str, tuple[bytes, str, str]] = {
    "a.tar": (tarred("w"), "a tar archive", "run `tar xf FILE`"),
    "a.tgz": (tarred("w:gz"), "a tar archive compressed with gzip", "run `tar xzf FILE`"),
    "a.bz2": (bz2.compress(NOISE), "bzip2", "run `bunzip2 FILE`"),
    "a.xz": (lzma.compress(NOISE), "xz", "run `unxz FILE`"),
    "a.zst": (b"\x28\xb5\x2f\xfd" + NOISE, "zstd", "run `unzstd FILE`"),
    "a.lz4": (b"\x04\x22\x4d\x18" + NOISE, "lz4", "run `unlz4 FILE`"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c" + NOISE, "7z", "unpack it"),
    "a.rar": (b"Rar!\x1a\x07" + NOISE, "RAR", "unpack it"),
    "files.zip": (zipped("netG.pth", "README.md"), "zip archive \\(of netG.pth, README.md\\)", "unpack it"),
    "none.zip": (zipped(), "empty zip", "fetch it again"),
    "a.npz": (written(lambda file: np.savez(file, w=np.ones(3))), "arrays alone", "torch.save its state_dict"),
    "a.npy": (written(lambda file: np.save(file, np.ones(3))), "arrays alone", "a kind of your own"),
    "a.mat": (b"MATLAB 5.0 MAT-file, Platform" + NOISE, "arrays alone", "a kind of your own"),
    "a.tflite": (b"\x1c\0\0\0TFL3" + NOISE, "TensorFlow Lite", "tf2onnx.convert --tflite"),
    "a.gguf": (b"GGUF\3\0\0\0" + NOISE, "GGUF", "fetch that one"),
    "frozen.pb": (b"\x0a\x2b\x0a\x05input\x12\x0bPlaceholder" + NOISE, "a graph of TensorFlow", "tf2onnx.convert --graphdef"),
    "model.meta": (b"\x0a\xaf\x25\x12\xf7\x24\x0a\x33\x0a\x03Add" + NOISE, "a graph of TensorFlow", "FILE.meta: --checkpoint"),
    "saved_model.pb": (b"\x08\x01\x12\xff\x10\x0a\x20\x12\x05" + NOISE, "SavedModel", "tf2onnx.convert --saved-model"),
    "model.index": (NOISE + bytes.fromhex("57fb808b247547db"), "TensorFlow checkpoint", "tf2onnx.convert --checkpoint"),
    "checkpoint": (b'model_checkpoint_path: "model-1"\n', "TensorFlow checkpoint", "tf2onnx.convert --checkpoint"),
    "weights.h5": (b"\x89HDF\r\n\x1a\n" + NOISE, "Keras", "tf2onnx"),
    "old.t7": (b"V 1\x0d" + NOISE, "Torch7", "exported to ONNX"),
    "a.caffemodel": (b"\x0a\x08CaffeNet" + NOISE, "no checkpoint that is known", "exported to ONNX"),
    "a.msgpack": (b"\x81\xa6params" + NOISE, "no checkpoint that is known", "exported to ONNX"),
    "a.exe": (b"MZ\x90\0" + NOISE, "no checkpoint that is known", "exported to ONNX"),
    "noise.pkl": (NOISE, "no checkpoint that is known", "a kind of your own"),
    "zeros.pkl": (bytes(400), "no checkpoint that is known", "a kind of your own"),
    "a.png": (b"\x89PNG\r\n\x1a\n" + NOISE, "a picture", "`tlgan verify FILE`"),
    "a.jpg": (b"\xff\xd8\xff\xe0" + NOISE, "a picture", "`tlgan verify FILE`"),
    "a.webp": (b"RIFF\0\0\0\0WEBP" + NOISE, "a picture", "docs/train_generator.md"),
    "a.parquet": (b"PAR1" + NOISE, "Parquet", "train-extractor"),
    "a.pdf": (b"%PDF-1.7\n" + NOISE, "PDF", "fetch it again"),
    "config.json": (json.dumps({"z_dim": 512}).encode(), 'text that begins with \'{"z_dim": 512}', "fetch it again"),
    "answer.pth": (b"Not Found", "text that begins with 'Not Found'", "fetch it again"),
    "train.py": ("import torch\nклассы = 3\n".encode(), "text that begins with 'import torch классы", "fetch it again"),
    "denied.pkl": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "<Error>", "open it in a browser"),
    "page.pkl": (b"<!DOCTYPE html><html>", "a web page", "open the address in a browser"),
    "page2.pkl": (b"<!-- saved --><html>", "<html>", "open it in a browser"),
    "net.xml": (b"<?xml version='1.0'?><net name='g' version='11'>", "net.bin is not beside it", "fetch both"),
    "lfs.pkl": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "run `git lfs pull`"),
    "none.pkl": (b"", "empty", "fetch it again"),
    "cut.pkl": (pickle.dumps({"G": [1.5] * 99})[:40], "cut off", "fetch it again"),
    "cut.pth": (written(lambda file: torch.save({"w": torch.ones(99)}, file))[:300], "cut off", "fetch it again"),
    "cut.safetensors": (struct.pack("<Q", 2**20) + b"{" + NOISE, "no checkpoint that is known", "fetch it again"),
    "odd.safetensors": (struct.pack("<Q", 9) + b'{"a": 1} ' + NOISE, "header is damaged", "fetch it again"),
    "list.pkl": (pickle.dumps([1, 2]), "a list of 2", "torch.onnx.export"),
    "nothing.gz": (gzip.compress(pickle.dumps(None)), "nothing", "tlgan.wrap_generator"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_something_else_is_named_with_a_way_out(name: str, tmp_path: Path) -> None:
    data, what, way = FILES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TlganError) as refused:
        load_generator(tmp_path / name)
    line = str(refused.value)
    assert name in line
    assert "\n" not in line
    assert re.search(what, line), line
    assert way in line.partition(what)[2] or way in line, line


def _t(*shape: int) -> torch.Tensor:
    return torch.full(shape, 0.1)


#: What else people name where a generator is expected, by what the line must hold.
NETWORKS: dict[str, tuple[Any, str]] = {
    "a classifier": ({"conv1.weight": _t(64, 3, 7, 7), "bn1.weight": _t(64), "fc.weight": _t(10, 64)}, "torch.onnx.export"),
    "a discriminator": ({"main.0.weight": _t(64, 3, 4, 4), "main.2.weight": _t(1, 64, 4, 4)}, "torch.onnx.export"),
    "an optimiser": ({"optimizer": {"state": {}, "param_groups": [{"lr": 1.0}]}}, "torch.onnx.export"),
    "CycleGAN": ({"model.1.weight": _t(64, 3, 7, 7), "model.10.conv_block.1.weight": _t(64, 64, 3, 3)}, "wrap_generator"),
    "a diffusion model": ({"conv_in.weight": _t(8, 3, 3, 3), "mid.attn.to_q.weight": _t(8, 8)}, "wrap_generator"),
    "mimicry's SNGAN": ({"l1.weight": _t(1024, 128), "l1.bias": _t(1024), "block2.c1.weight": _t(64, 64, 3, 3),
                         "block2.c2.weight": _t(64, 64, 3, 3), "block2.c_sc.weight": _t(64, 64, 1, 1), "c5.weight": _t(3, 64, 3, 3)},
                        "export it to ONNX"),
    "TransGAN": ({"l1.weight": _t(512, 256), "l1.bias": _t(512), "pos_embed_1": _t(1, 64, 32), "deconv.0.weight": _t(3, 32, 1, 1)},
                 "export it to ONNX"),
    "numbers that broke down": ({"0.weight": _t(16, 32, 4, 4) * float("nan"), "2.weight": _t(32, 3, 4, 4)}, "take an earlier checkpoint"),
    "whole numbers": ({"0.weight": torch.ones(16, 32, 4, 4, dtype=torch.int8), "2.weight": _t(32, 3, 4, 4)}, "save the weights as float32"),
    "complex numbers": ({"0.weight": torch.ones(16, 32, 4, 4, dtype=torch.complex64), "2.weight": _t(32, 3, 4, 4)},
                        "save the weights as float32"),
    "a tensor alone": (_t(3, 3), "wrap_generator"),
    "a text": ("netG", "wrap_generator"),
}  # fmt: skip


@pytest.mark.filterwarnings("error:Casting complex")
@pytest.mark.parametrize("name", NETWORKS)
def test_another_network_is_refused_with_a_way_out(name: str, tmp_path: Path) -> None:
    tree, way = NETWORKS[name]
    torch.save(tree, tmp_path / "g.pth")
    with pytest.raises(TlganError, match=re.escape(way)):
        load_generator(tmp_path / "g.pth")


def test_a_folder_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for names, line in (
        ([], "a folder of nothing"),
        (["index.png", "._G.pth"], r"a folder of index.png: name the generator's file"),
        (["G.pth", "D.pth"], r"a folder of D.pth, G.pth: name the generator's file"),
    ):
        for name in names:
            (tmp_path / "run" / name).write_bytes(NOISE)
        with pytest.raises(TlganError, match=line):
            load_generator(tmp_path / "run")
