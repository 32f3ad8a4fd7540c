"""What a file is, without loading its weights; and a pickle-free copy of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from tlgan.errors import TlganError
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint import read_checkpoint
from tlgan.generators.fingerprint import of_blueprint
from tlgan.generators.loading import DAMAGE, convert_file, describe, fetch_generator
from tlgan.generators.nets.dcgan import planned
from tlgan.io import hub

from .kinds import ARCHITECTURES, assumed_words, is_black_box, set_options

_BY_BUILDING = ("keras", "biggan", "progressive", "lightweight")  # whose sizes follow from all their layers


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a generator's file before it is loaded. Sizes are None where the file doesn't say."""

    path: str
    container: (
        str  # "pickle", "torch", "torch-legacy", "safetensors", "onnx", "openvino", "torchscript", "torch-export"
    )
    size: int  # bytes
    sha256: str
    architecture: str | None = None
    format: str | None = None  # whose code wrote it
    network: str | None = None  # which of the file's networks the rest is about
    fingerprint: str | None = None  # what workspaces know it by
    stated_origin: str | None = None  # what the file says it was made from; not checked
    parameters: int | None = None
    latent_dim: int | None = None
    w_dim: int | None = None
    label_dim: int | None = None
    resolution: int | None = None
    channels: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, list[int]] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)  # options that the file leaves open, taken by custom
    undetermined: str | None = None  # why it can't be painted without further options

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect_checkpoint(
    ref: str | Path, *, network: str | None = None, progress: hub.Progress | None = None, **options: Any
) -> Inspection:
    """What the file of a reference is, under `options` as `load_generator` takes them; its weights are read once, for the
    fingerprint, and not kept. Raises `TlganError` where it is no generator."""
    path = fetch_generator(ref, progress=progress)
    checkpoint = read_checkpoint(path)
    common = (str(path), checkpoint.container, path.stat().st_size, hub.sha256_of(path))
    if is_black_box(checkpoint):
        return Inspection(*common)
    blueprint = set_options(describe(checkpoint, network), path.name, options)
    assumed, undetermined, sizes = list(assumed_words(blueprint)), None, sizes_of(blueprint)
    if blueprint.architecture == "dcgan":
        try:
            plan = planned(blueprint)
            assumed, sizes = plan.assumed, sizes | {"resolution": plan.resolution, "channels": min(plan.painted, 3)}
        except TlganError as error:
            undetermined = str(error)
    return Inspection(
        *common,
        architecture=blueprint.architecture,
        format=blueprint.source.get("format"),
        network=blueprint.source.get("network"),
        fingerprint=_fingerprint(blueprint, path),
        stated_origin=_origin(blueprint.source),
        parameters=blueprint.parameters,
        options=blueprint.options,
        tensors={name: list(record.shape) for name, record in blueprint.tensors.items()},
        assumed=assumed,
        undetermined=undetermined,
        **cast(dict[str, Any], sizes),
    )


def convert_checkpoint(
    ref: str | Path,
    out: str | Path,
    *,
    network: str | None = None,
    half: bool = False,
    progress: hub.Progress | None = None,
    **options: Any,
) -> Path:
    """Write a pickle-free copy: safetensors with the architecture, options and source in its metadata.

    `options` as `load_generator` takes them are written down with it. The copy holds the same structure and numbers, so
    it has the same fingerprint; its source is a note for people, and nothing is decided by it. With `half` its numbers
    are float16, the file is half as large, its pictures differ, by a fraction of a grey level on average, and so does its
    fingerprint. Raises `TlganError` where there is nothing to convert; `out` is written whole or not at all.
    """
    path, target = fetch_generator(ref, progress=progress), Path(out)
    if target.suffix != ".safetensors":
        raise TlganError(f"{target} is no name for a safetensors file: expected one that ends in .safetensors")
    name = Path(ref).name if Path(ref).exists() else str(ref)
    convert_file(path, target, ref=name, network=network, half=half, options=options)
    return target


def _fingerprint(blueprint: Blueprint, path: Path) -> str:
    try:
        return of_blueprint(blueprint)
    except (*DAMAGE, TlganError) as error:
        raise TlganError(f"{path.name} can't be used: it is damaged ({error})"[:300]) from error


def _origin(source: dict[str, Any]) -> str | None:
    ref, sha256 = source.get("ref"), source.get("sha256")
    return f"{str(ref)[:200]} (sha256 {str(sha256)[:64]})" if ref else None


def sizes_of(blueprint: Blueprint) -> dict[str, int | None]:
    """Sizes by the names of `Inspection`; what a damaged file doesn't say is left out."""
    options, shapes = blueprint.options, {name: record.shape for name, record in blueprint.tensors.items()}
    whole = {key: value for key, value in options.items() if isinstance(value, int) and not isinstance(value, bool)}
    if blueprint.architecture == "pggan":
        labels = whole.get("label_size", 0)
        levels = sum(name.startswith("ToRGB_lod") and name.endswith("weight") for name in shapes)
        return {
            "latent_dim": (shapes.get("4x4/Dense/weight") or (labels,))[0] - labels,
            "label_dim": labels,
            "resolution": 2 << levels if levels < 16 else None,
            "channels": _side(shapes.get("ToRGB_lod0/weight"), -1),
        }
    if blueprint.architecture == "dcgan":
        weights = [shape for name, shape in shapes.items() if name.endswith("weight") and len(shape) in (2, 4)]
        first, last = (weights[0], weights[-1]) if weights else ((), ())
        return {
            "latent_dim": _side(first, 0 if len(first) == 4 else 1),
            "label_dim": 0,
            "channels": _side(last, 1) if len(last) == 4 else None,
        }
    if blueprint.architecture == "modulated":
        count = min(64, sum(name.endswith(".to_picture.weight") for name in shapes))
        return {
            "latent_dim": _side(shapes.get("ground.weight"), 1),
            "label_dim": 0,
            "resolution": 4 << count,
            "channels": _side(shapes.get(f"blocks.{count - 1}.to_picture.weight"), 0),
        }
    if blueprint.architecture == "mobilestylegan":
        start, pictures = _side(shapes.get("const"), 1), _side(shapes.get("picture.weight"), 0)
        doubled = whole.get("blocks", 0) + 1
        return {
            "latent_dim": whole.get("z_dim"),
            "w_dim": whole.get("w_dim"),
            "label_dim": 0,
            "resolution": start << doubled if start and 0 < doubled < 16 else None,
            "channels": pictures // 4 if pictures else None,
        }
    if blueprint.architecture == "fastgan":
        return {
            "latent_dim": _side(shapes.get("init.init.0.weight_orig"), 0),
            "label_dim": _side(shapes.get("embed.weight"), 0) or 0,
            "resolution": whole.get("resolution"),
            "channels": _side(shapes.get("to_big.weight_orig"), 0),
        }
    if blueprint.architecture == "lucidrains":
        count = min(64, sum(name.endswith(".to_rgb.conv.weight") for name in shapes))
        return {
            "latent_dim": whole.get("z_dim"),
            "w_dim": whole.get("w_dim"),
            "label_dim": 0,
            "resolution": 2 << count,
            "channels": _side(shapes.get("blocks.0.to_rgb.conv.weight"), 0),
        }
    if blueprint.architecture in _BY_BUILDING:
        with suppress(*DAMAGE, TlganError):
            made = ARCHITECTURES[blueprint.architecture](blueprint, name="", fingerprint="")
            return {key: getattr(made, key) for key in ("latent_dim", "label_dim", "resolution", "channels")}
        return {}
    sizes = {"latent_dim": whole.get("z_dim"), "w_dim": whole.get("w_dim"), "label_dim": whole.get("c_dim", 0)}
    if blueprint.architecture == "stylegan2":
        blocks = options.get("blocks")
        side = 2 << len(blocks) if isinstance(blocks, list) and 0 < len(blocks) < 16 else None
        return sizes | {"resolution": side, "channels": _side(shapes.get(f"b{side}.torgb.weight"), 0)}
    if blueprint.architecture == "stylegan1":
        pictures = options.get("pictures")
        side = 2 << len(pictures) if isinstance(pictures, list) and 0 < len(pictures) < 16 else None
        return sizes | {
            "resolution": whole.get("resolution", side),
            "channels": _side(shapes.get("pictures.0.weight"), 0),
        }
    if blueprint.architecture == "stylegan3":
        layers = options.get("layers")
        last_layer = layers[-1] if isinstance(layers, list) and layers and isinstance(layers[-1], dict) else {}
        side = _side(last_layer.get("out_size"), 0)
        return sizes | {"resolution": side, "channels": _side(shapes.get(f"{last_layer.get('name')}.weight"), 0)}
    return sizes


def _side(shape: Any, index: int) -> int | None:
    """One of the sizes of a shape, or None where there is none."""
    try:
        return int(shape[index])
    except (TypeError, IndexError, ValueError):
        return None
