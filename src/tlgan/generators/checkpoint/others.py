"""Files that people hold in place of a checkpoint: how they begin, and what helps; how every refusal ends with what can be done."""

from __future__ import annotations

import re
from collections.abc import Iterable

AGAIN = "fetch it again, or save it again where it was made"
EXPORT = (
    "export the generator where it runs, torch.onnx.export(netG, z, 'generator.onnx'), or wrap it in Python with "
    "tlgan.wrap_generator"
)
GRAPH = (
    "export it again where it was made (docs/generators.md, the ends of a graph, has the options that say what is what), or name "
    "a function that makes the generator, module:function"
)
OTHER_FRAMEWORK = "a network of another framework can be exported to ONNX where it runs, or read by a kind of your own (docs/generators.md)"
_TF2ONNX = "make ONNX of it with `pip install tf2onnx tensorflow`, then `python -m tf2onnx.convert"
_ENDS = "--inputs z:0 --outputs images:0 --output generator.onnx` with its own names of input and output"
TENSORFLOW = f"a TensorFlow SavedModel: {_TF2ONNX} --saved-model FOLDER --output generator.onnx`"
_VARIABLES = (
    f"a part of a TensorFlow checkpoint, which needs the code of its network: {_TF2ONNX} --checkpoint FILE.meta {_ENDS}"
)
_GRAPH = f"a graph of TensorFlow: {_TF2ONNX} --graphdef FILE {_ENDS} (of a FILE.meta: --checkpoint)"
_ARRAYS = (
    "arrays alone, which don't say how a network's layers follow: load them into the network that they belong to and "
    "torch.save its state_dict, or read them by a kind of your own (docs/generators.md)"
)
_PICTURE = "a picture and no generator: `tlgan verify FILE` says what a picture is, and docs/train_generator.md how pictures teach a generator"
_UNPACK = "unpack it first and name the checkpoint inside"
_TORCH7 = f"written by Torch7 of Lua: {OTHER_FRAMEWORK}"

# Where in a file, which bytes, what it is and what helps.
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`, or download the file"),
    (0, b"BZh", "compressed with bzip2: run `bunzip2 FILE` first"),
    (0, b"\xfd7zXZ", "compressed with xz: run `unxz FILE` first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd: run `unzstd FILE` first"),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4: run `unlz4 FILE` first"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {_UNPACK}"),
    (0, b"Rar!", f"a RAR archive: {_UNPACK}"),
    (257, b"ustar", "a tar archive: run `tar xf FILE` and name the checkpoint inside"),
    (0, b"\x93NUMPY", _ARRAYS),
    (0, b"GGUF", "GGUF, the weights of a language or diffusion model: tlgan needs the checkpoint of a GAN, so fetch that one"),
    (4, b"TFL3", f"TensorFlow Lite: {_TF2ONNX} --tflite FILE --output generator.onnx`"),
    (0, b"model_checkpoint_path:", _VARIABLES),
    (0, b"\x89PNG", _PICTURE),
    (0, b"\xff\xd8\xff", _PICTURE),
    (0, b"GIF8", _PICTURE),
    (8, b"WEBP", _PICTURE),
    (4, b"ftypavif", _PICTURE),
    (0, b"V 1\x0d", _TORCH7),
    (0, b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", _TORCH7),
    (0, b"MATLAB ", _ARRAYS),
    (0, b"PK\x05\x06", f"an empty zip archive: {AGAIN}"),
    (0, b"PAR1", "a table in Parquet: `tlgan train-extractor --images FILE` learns from labelled pictures in it"),
    (0, b"%PDF", f"a PDF document: {AGAIN}"),
)  # fmt: skip
_INDEX_END = bytes.fromhex("57fb808b247547db")  # of a LevelDB table, TensorFlow's `.index`


def named(data: memoryview) -> str:
    """What a file is that is no checkpoint, and what helps; "" where nothing here knows it."""
    head = bytes(data[:512])
    for at, mark, words in _MARKS:
        if head[at : at + len(mark)] == mark:
            return words
    if bytes(data[-8:]) == _INDEX_END:
        return _VARIABLES
    if _ANY_GRAPH.match(head):
        return _GRAPH
    return _SAVED_MODEL if _SAVED.match(head) else ""


def zipped(names: Iterable[str]) -> str:
    """The same of a zip archive with these members; "" of what `torch.save` may have written."""
    names = [name for name in names if not name.endswith("/")]
    if names and all(name.endswith(".npy") for name in names):
        return _ARRAYS
    if any(name.endswith("data.pkl") and name.count("/") == 1 for name in names):
        return ""
    return f"a zip archive (of {', '.join(names[:3])[:100] or 'nothing'}) without a data.pkl of torch.save: {_UNPACK}"


_VARINT = rb"[\x80-\xff]*[\0-\x7f]"
#: Protobuf whose first message begins with a message or a name: a node, or what a MetaGraph says of itself.
_ANY_GRAPH = re.compile(rb"\x0a" + _VARINT + rb"(\x0a" + _VARINT + rb"[\w./-]|[\x0a\x12]" + _VARINT + rb"\x0a)")
#: A version and a message, where ONNX has the name of who wrote it.
_SAVED = re.compile(rb"\x08[\1-\x40]\x12" + _VARINT + rb"\x0a")
_SAVED_MODEL = f"{TENSORFLOW}; or Core ML: {OTHER_FRAMEWORK}"


# What a line that ends well says, in the imperative: it names a command, an option, or a thing to do.
_DOES = re.compile(
    r"`|-g |--\w|expected one of|[:;,(] (or |then |and |so )?(accept|build|call|check|choose|convert|detach|download|export|fetch|give|install|"
    r"leave|load|make|name|open|pip|put|read|run|save|say|see|take|train|unpack|use|wrap|write)\b"
)


def with_way_out(line: str, way: str) -> str:
    """The line of a refusal, and what can be done where it doesn't say so itself."""
    return line if _DOES.search(line) else f"{line}; {way}"
