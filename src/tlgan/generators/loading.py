"""One function from a reference to a generator; the kind of file is recognised by its content, not by its name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tlgan.errors import AssumedWarning, NeedsTrust, TlganError
from tlgan.hooks import GENERATOR_FORMATS, GeneratorFile, UnrecognisedFile
from tlgan.io import consent, hub

from .base import Generator, LatentGenerator
from .blueprint import Blueprint
from .catalogue import KnownModel, known_model
from .checkpoint import Checkpoint, read_checkpoint
from .checkpoint.openvino_ir import xml_of
from .checkpoint.others import AGAIN, EXPORT, GRAPH, TENSORFLOW, with_way_out
from .fingerprint import of_blueprint, with_options
from .formats.converted import write_blueprint
from .formats.kinds import blueprint_of, build, is_black_box, set_options
from .formats.own import load_own, names_code
from .nets.dcgan import planned

_HF_REPOSITORY = re.compile(r"hf:[\w][\w.-]*/[\w][\w.-]*(?P<revision>@[\w./-]+)?")
# no damage that is known ends in these; what isn't known still ends in one line
DAMAGE = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
_GRAPH = ("latent_dim", "picture_range", "output")
GRAPH_OPTIONS = {
    "onnx": (*_GRAPH, "latent_input", "label_input", "classes", "inputs"),
    "openvino": (*_GRAPH, "latent_input"),
    "torchscript": (*_GRAPH, "label_input", "classes", "inputs", "fixed_batch"),
    "torch-export": (*_GRAPH, "fixed_batch"),
}
GIVE = "Give others as -g KEY=VALUE"
OTHERWISE = {"DCGAN": "`tlgan inspect --try FILE` paints the other candidates"}
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".pkl", ".ckpt", ".onnx")
_HF_FILES = ("model.safetensors", "pytorch_model.bin")  # what PyTorchModelHubMixin writes


def load_generator(
    ref: str | Path,
    *,
    device: str = "cpu",
    network: str | None = None,
    truncation: float | None = None,
    trust: bool = False,
    progress: hub.Progress | None = None,
    recorded: str = "",
    **options: Any,
) -> Generator:
    """The generator that `ref` names: a path, an address as `tlgan.io.hub.fetch` takes it, a name of `known_models`, or
    `module:function` of one's own (see `formats.own.load_own`).

    `network` chooses among the networks of a file ("G" the raw one; by default the averaged one), `truncation` is the
    psi where none is given later, `device` is torch's. `trust` is needed for files that hold code (TorchScript,
    `torch.export`) and spares an ONNX file its trial (`tlgan.io.trial`). `recorded` is a fingerprint that was written down
    earlier: where it is the one that earlier versions computed of this very file, the generator keeps it. Further options
    are the kind's own: `lod` (pg-GAN), `activation`, `output`, `layers`, `norm`, `norm_last` and `epsilon` (DCGAN),
    `latent_dim` and `picture_range` (ONNX, TorchScript), or those of a third party's kind. `AssumedWarning` says what a
    file leaves open and was taken by custom.
    Raises `TlganError` with one line where the file is not understood; nothing in a file is ever executed.
    """
    generator = _from_plugin_scheme(str(ref), device=device, network=network, **options)
    if generator is None and names_code(str(ref)):
        generator = load_own(str(ref), device=device, trust=trust, **chosen_options(network, options))
    elif generator is None:
        path = fetch_generator(ref, progress=progress)
        name = _name_of(ref)
        generator = _load(path, name, device=device, network=network, trust=trust, recorded=recorded, **options)
    if isinstance(generator, LatentGenerator):
        generator.given, generator.ref = chosen_options(network, options), str(ref)
        if generator.assumed and known_model(str(ref)) is None:
            warnings.warn(
                f"{generator.name}: the file doesn't say everything about its layers; assumed "
                f"{', '.join(generator.assumed)}. {OTHERWISE.get(type(generator).__name__, GIVE)}",
                AssumedWarning,
                stacklevel=2,
            )
    if truncation is not None:
        generator.truncation = float(truncation)
    model = known_model(str(ref))
    if model is not None and model.head_file is not None and isinstance(generator, LatentGenerator):
        generator = with_head(generator, model.head_file)
    return generator


def with_head(generator: LatentGenerator, file: Path) -> LatentGenerator:
    """The generator with the picture head in `file`. Raises TlganError where that reads another generator's features."""
    from .picture_head import load_head

    head = load_head(file)
    if head.generator != generator.fingerprint:
        raise TlganError(
            f"{file} paints small pictures of another generator ({head.generator[:12]}) than {generator.name} "
            f"({generator.fingerprint[:12]}): train one with `tlgan discover --preview`"
        )
    return generator.with_head(head.to(generator.device))


def fetch_generator(ref: str | Path, *, progress: hub.Progress | None = None) -> Path:
    """The file of a reference, on this disk."""
    text = str(ref)
    model = known_model(text)
    if model is None:
        if (xml := xml_of(Path(text).expanduser())) is not None:
            return xml
        if match := _HF_REPOSITORY.fullmatch(text):
            return _from_hub_repository(text, match["revision"] or "", progress)
        return _in_folder(Path(text).expanduser()) or hub.fetch(ref, progress=progress)
    if model.packaged_file is not None:
        return model.packaged_file
    if not model.address:
        raise TlganError(f"{text} can't be fetched by a program: download it from {model.page} and give its path")
    pinned = model.sha256 or model.archive_sha256
    try:
        with consent.asked_by_us() if pinned else nullcontext():
            if model.members:
                return _assembled(model, progress)
            return hub.fetch(model.address, sha256=model.sha256, archive_sha256=model.archive_sha256, progress=progress)
    except TlganError as error:
        raise TlganError(f"{text}: {error} (its publisher's page: {model.page}, last read {model.read})") from error


def _in_folder(folder: Path) -> Path | None:
    """The one file of weights in a local folder as hubs lay them out; None where that is not a folder of this kind."""
    if not folder.is_dir():
        return None
    if (folder / "saved_model.pb").is_file():
        raise TlganError(f"{folder} is {TENSORFLOW}")
    if named := next((folder / file for file in _HF_FILES if (folder / file).is_file()), None):
        return named
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("._"))
    found = [path for path in files if path.suffix.lower() in _WEIGHTS and path.is_file()]
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found or files)[:200] or "nothing"
    raise TlganError(f"{folder} is a folder of {names}: name the generator's file")


def _assembled(model: KnownModel, progress: hub.Progress | None) -> Path:
    """A model of several files: kept as the one that they convert to, which is all that is needed to load it."""

    def convert(folder: Path, out: Path) -> None:
        convert_file(folder / next(name for name in model.members if name.endswith(".xml")), out, ref=model.name)

    def check(path: Path) -> bool:
        try:
            return of_blueprint(describe(read_checkpoint(path), None)) == model.fingerprint
        except TlganError:
            return False

    return hub.fetch_members(
        model.address,
        model.members,
        archive_sha256=model.archive_sha256,
        size=model.size,
        build=convert,
        check=check,
        key=model.key,
        progress=progress,
    )


def convert_file(
    path: Path,
    out: Path,
    *,
    ref: str,
    network: str | None = None,
    half: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the generator of the file at `path` as safetensors; `ref` is what the copy says it was made from.

    Half precision is other numbers, so such a copy has a fingerprint of its own. The mean w of a file that lacks it is not
    written either: it is computed where it is asked for, and a copy holds nothing that its original does not.
    """
    checkpoint = read_checkpoint(path)
    if is_black_box(checkpoint):
        raise TlganError(f"{path.name} is {checkpoint.container}, a graph rather than tensors: it can't be converted")
    blueprint = set_options(describe(checkpoint, network), path.name, options)
    if blueprint.architecture == "dcgan":
        planned(blueprint)  # a copy that couldn't be painted is not written
    blueprint.source = {"ref": ref, "sha256": hub.sha256_of(path)} | blueprint.source
    write_blueprint(blueprint, out, half=half)


def _from_hub_repository(ref: str, revision: str, progress: hub.Progress | None) -> Path:
    base = ref.removesuffix(revision)
    failure: TlganError | None = None
    for file in _HF_FILES:
        try:
            return hub.fetch(f"{base}/{file}{revision}", progress=progress)
        except TlganError as error:
            failure = failure or error
    raise TlganError(f"{ref} has neither {' nor '.join(_HF_FILES)}: name its file, hf:owner/repo/file ({failure})")


def _load(
    path: Path, name: str, *, device: str, network: str | None, trust: bool, recorded: str, **options: Any
) -> Generator:
    """Every format is shown the file, those that are built in first, until one takes it."""
    checkpoint, unread = None, None
    try:
        checkpoint = read_checkpoint(path)
    except TlganError as error:
        unread = error
    file, given = GeneratorFile(path, name, checkpoint, trust, recorded), chosen_options(network, options)
    for format_name in GENERATOR_FORMATS.names():
        try:
            found = GENERATOR_FORMATS.get(format_name)(file, device=device, **given)
        except UnrecognisedFile as error:
            unread = unread or error
            continue
        if found is not None:
            return _built(found, file, device)
    raise unread or UnrecognisedFile(f"{path.name} is of no kind of generator that is known")


def _built(found: Generator | Blueprint, file: GeneratorFile, device: str) -> Generator:
    return build(found, name=file.name, device=device) if isinstance(found, Blueprint) else found


def read_tensors(file: GeneratorFile | str, *, device: str = "cpu", **given: Any) -> Generator | None:
    """The built-in format of files that hold tensors of a network known here."""
    if isinstance(file, str) or file.checkpoint is None or is_black_box(file.checkpoint):
        return None
    options = dict(given)
    network = options.pop("network", None)
    try:
        blueprint = blueprint_of_file(file.checkpoint, network)
    except TlganError as error:
        raise UnrecognisedFile(str(error)) from error
    try:
        generator = build(blueprint, name=file.name, device=device, **options)
    except TlganError as error:
        raise TlganError(with_way_out(f"{file.path.name} can't be used: {error}", EXPORT)) from error
    except DAMAGE as error:
        raise damaged(file.path, error) from error
    if file.recorded and file.recorded == with_options(hub.sha256_of(file.path), given):
        generator.fingerprint = file.recorded
    return generator


def read_graph(file: GeneratorFile | str, *, device: str = "cpu", **given: Any) -> Generator | None:
    """The built-in format of files that bring their own graph."""
    if isinstance(file, str) or file.checkpoint is None or not is_black_box(file.checkpoint):
        return None
    try:
        return _load_graph(file.checkpoint, file.trust, given, {"name": file.name, "device": device})
    except TlganError as error:
        raise type(error)(with_way_out(str(error), GRAPH)) from error


def describe(checkpoint: Checkpoint, network: str | None) -> Blueprint:
    """The blueprint of a file; where no built-in kind knows it, that of an installed format that makes one."""
    try:
        return blueprint_of_file(checkpoint, network)
    except TlganError:
        file = GeneratorFile(checkpoint.path, checkpoint.path.stem, checkpoint)
        for entry in GENERATOR_FORMATS.installed():
            found = GENERATOR_FORMATS.get(entry.name)(file, **chosen_options(network, {}))
            if isinstance(found, Blueprint):
                return found
        raise


def blueprint_of_file(checkpoint: Checkpoint, network: str | None) -> Blueprint:
    """`blueprint_of`, with one line for whatever damage it does not foresee."""
    try:
        return blueprint_of(checkpoint, network)
    except TlganError as error:
        name, line = checkpoint.path.name, str(error)
        line = line if name in line else f"{name} can't be used: {line}"
        raise type(error)(with_way_out(line, EXPORT)) from error
    except DAMAGE as error:
        raise damaged(checkpoint.path, error) from error


def damaged(path: Path, error: Exception) -> TlganError:
    """The one line for damage that nothing foresees."""
    return TlganError(f"{path.name} can't be used: it is damaged ({type(error).__name__}); {AGAIN}")


def names_generator(text: str) -> str:
    """A short name for what a reference of a generator names where it is no path: `module:function`, a known name, an
    address; "" for others."""
    if names_code(text):
        return text.partition(":")[0].rpartition(".")[2]
    if known_model(text) is not None:
        return text
    return _name_of(text).rpartition("/")[2] if text.startswith(("hf:", "https:", "pypi:", "npm:")) else ""


def chosen_options(network: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were really given, `network` among them."""
    return {key: value for key, value in {"network": network, **options}.items() if value is not None}


def _load_graph(checkpoint: Checkpoint, trust: bool, chosen: dict[str, Any], common: dict[str, Any]) -> Generator:
    """A file that brings its own graph."""
    known = GRAPH_OPTIONS[checkpoint.container]
    if unknown := sorted(chosen.keys() - set(known)):
        raise TlganError(
            f"{checkpoint.path.name} has no option {', '.join(unknown)}: {checkpoint.container} has {', '.join(known)}"
        )
    if checkpoint.container == "onnx":
        from .formats.onnx_files import load_onnx

        return load_onnx(checkpoint.path, trust=trust, **common, **chosen)
    if checkpoint.container == "openvino":
        from .formats.openvino_files import OpenVinoGenerator

        return OpenVinoGenerator(checkpoint.tree, **common, **chosen)
    fingerprint = with_options(hub.sha256_of(checkpoint.path), chosen)
    return _load_code(checkpoint, trust, fingerprint=fingerprint, **common, **chosen)


def _load_code(checkpoint: Checkpoint, trust: bool, **options: Any) -> Generator:
    kind = "TorchScript" if checkpoint.container == "torchscript" else "torch.export"
    if not trust:
        raise NeedsTrust(f"{checkpoint.path.name} is {kind}, which can hold code: load it with trust if you trust it")
    from .formats.wrapped import load_exported, load_torchscript

    read = load_torchscript if checkpoint.container == "torchscript" else load_exported
    return read(checkpoint.path, **options)


def _name_of(ref: str | Path) -> str:
    text = str(ref)
    if known_model(text) is not None:
        return text
    return (
        re.split(r"[/\\]", text.split("?")[0].partition("@")[0] if text.startswith("hf:") else text.split("?")[0])[
            -1
        ].rpartition(".")[0]
        or text
    )


def _from_plugin_scheme(ref: str, *, device: str, network: str | None, **options: Any) -> Generator | None:
    """`name:rest` goes to the format of that name, where a package brings one."""
    scheme, colon, rest = ref.partition(":")
    if not colon or scheme in GENERATOR_FORMATS.built_in or scheme not in GENERATOR_FORMATS:
        return None
    found = GENERATOR_FORMATS.get(scheme)(rest, device=device, **chosen_options(network, options))
    if found is None:
        raise TlganError(f"{ref}: the kind {scheme} makes no generator of that")
    return _built(found, GeneratorFile(Path(rest), _name_of(rest)), device)
