"""Finding the generator's tensors in what people save: bare state_dicts, training checkpoints, prefixes of wrappers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tlgan.errors import TlganError

from . import ObjectRecord, TensorRecord
from .persistence import Module

State = Mapping[str, TensorRecord]

# What the same network is called in different code, averaged weights first.
AVERAGED = (
    "G_ema", "g_ema", "Gs", "ema", "netG_ema", "generator_ema", "g_running", "G_avg",
    "avgG", "GE", "ema_model", "shadow", "shadow_generator", "gen_shadow", "g_shadow", "generator_shadow", "ema_generator",
    "generator_smooth", "gen_ema", "netG_avg", "G_shadow", "model_ema", "ema_state_dict", "ema_weights", "params_ema",
)  # fmt: skip
RAW = (
    "G", "g", "netG", "netG_state_dict", "generator", "generator_state_dict", "gen", "G_state_dict", "g_state_dict",
    "gen_state_dict", "model_G", "G_model", "modelG", "online_model", "net_G", "net_g", "netg", "Generator", "decoder", "G_net",
    "G_A2B", "params",
)  # fmt: skip
CRITICS = (
    "D", "d", "netD", "discriminator", "critic", "dis", "disc", "D_aug", "Discriminator", "net_D", "netd", "D_ema", "adversary",
    "discriminator_state_dict", "netD_state_dict", "D_state_dict", "d_state_dict", "modelD", "model_D", "encoder", "E",
)  # fmt: skip
_MAPPINGS = {"G": "S", "GE": "SE"}  # lucidrains' mapping networks lie beside their generators
_PREFIXES = ("module.", "_orig_mod.", "generator.", "netG.", "G.", "model.", "gen.", "ema.", "ema_model.", "g_ema.")
_DEPTH = 3
_MOST = 300_000  # entries looked at; one dictionary may hang in many places
_WRAPPERS = 8  # of one another around a network


def network_names(network: str | None) -> tuple[str, ...]:
    """The keys to look under, best first, for a network that was asked for by name (None: the averaged one)."""
    if network is None:
        return AVERAGED + RAW
    if network in AVERAGED:
        return AVERAGED
    if network in RAW:
        return RAW
    return (network,)


def state_dicts(tree: Any) -> dict[str, State]:
    """Every dictionary of named tensors in a tree, by the dotted path of keys that leads to it."""
    return dict(_walk(tree, "", 0, [_MOST]))


def _walk(value: Any, path: str, depth: int, left: list[int]) -> Iterator[tuple[str, State]]:
    if isinstance(value, ObjectRecord):
        if isinstance(value.state, dict) and isinstance(value.state.get("_modules"), dict):
            yield path, without_prefix(Module(value).tensors(left))  # a whole module holds what its state_dict would
            return
        value = value.state
    if isinstance(value, list | tuple) and value and all(isinstance(item, dict | ObjectRecord) for item in value):
        value = {str(number): item for number, item in enumerate(value)}
    if not isinstance(value, dict) or depth > _DEPTH or left[0] <= 0:
        return
    left[0] -= 1 + len(value)
    tensors = {key: item for key, item in value.items() if isinstance(item, TensorRecord) and isinstance(key, str)}
    if len(tensors) > 1:
        yield from _networks(path, without_prefix(tensors))
    for key, item in value.items():
        if isinstance(item, dict | ObjectRecord | list | tuple) and isinstance(key, str):
            yield from _walk(item, f"{path}.{key}" if path else key, depth + 1, left)


def _networks(path: str, state: State) -> Iterator[tuple[str, State]]:
    """The networks in one state_dict: several where their first names are those of a generator and another network."""
    outer = {name.partition(".")[0] for name in state}
    second = {name.split(".")[1] for name in state if name.count(".") > 1}
    if (
        len(outer) == 1 and second & set(AVERAGED + RAW) and second & set(CRITICS)
    ):  # a module that holds both: gan.G, gan.D
        state = {name.partition(".")[2]: tensor for name, tensor in state.items()}
    groups: dict[str, dict[str, TensorRecord]] = {}
    for name, tensor in state.items():
        first, dot, _ = name.partition(".")
        groups.setdefault(first if dot else "", {})[name] = tensor
    painters = [name for name in groups if name in AVERAGED + RAW]
    parts = "decoder" in painters and any(name.startswith("decoder_") for name in groups)
    if not painters or parts or (len(painters) == 1 and not any(name in CRITICS for name in groups)):
        yield path, state  # with a `decoder_input` beside it, a decoder alone is not the network
        return
    for name in painters:
        inner = {key.removeprefix(f"{name}."): tensor for key, tensor in groups[name].items()}
        partner = _MAPPINGS.get(name, "")
        inner |= {
            f"S.{key.removeprefix(f'{partner}.')}": tensor for key, tensor in groups.get(partner or "S.", {}).items()
        }
        yield f"{path}.{name}" if path else name, without_prefix(inner)


def without_prefix(state: State) -> State:
    """The same tensors without what `DataParallel` or an outer module put before every name."""
    for _ in range(_WRAPPERS):
        counters = {name for name, tensor in state.items() if "." not in name and tensor.numel == 1}
        if len(counters) < len(state) and any(
            all(name.startswith(p) for name in state if name not in counters) for p in _PREFIXES
        ):  # what an average counts beside the weights, like n_averaged
            state = {name: tensor for name, tensor in state.items() if name not in counters}
        prefix = next((p for p in _PREFIXES if all(name.startswith(p) for name in state)), None)
        if prefix is None or (
            prefix in ("model.", "gen.") and all(name[len(prefix) :][:1].isdigit() for name in state)
        ):
            break  # an `nn.Sequential` of that name is part of a published network's names
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def choose(states: Mapping[str, State], network: str | None) -> tuple[str, State]:
    """The state_dict of the network that is wanted, out of several that fit."""
    for name in network_names(network):
        for path, state in states.items():
            if name in path.split("."):
                return path, state
    found = ", ".join(path or "the file itself" for path in states)
    if (
        network is None
        and len(likely := {p: s for p, s in states.items() if not set(p.split(".")) & set(CRITICS)}) == 1
    ):
        return next(iter(likely.items()))
    if network is None:
        raise TlganError(f"it holds several networks that may be the generator, {found}: choose with --network NAME")
    raise TlganError(f"network {network!r} is not in the file: it holds {found}")


def reshaped(record: TensorRecord, *shape: int) -> TensorRecord:
    """The same elements with sizes of one put in or taken out."""
    kept = [(size, stride) for size, stride in zip(record.shape, record.stride, strict=True) if size != 1]
    if [size for size, _ in kept] != [size for size in shape if size != 1]:
        raise TlganError(f"a tensor is {list(record.shape)}: expected {list(shape)}")
    strides = iter(stride for _, stride in kept)
    return TensorRecord(record.storage, shape, tuple(next(strides) if n != 1 else 1 for n in shape), record.offset)


def missing(name: str, family: str = "") -> TlganError:
    """The error for a file that lacks a tensor which its family has."""
    return TlganError(
        f"tensor {name}{family and f' of this {family}'} is missing: the file is not whole, or of another version of its "
        "code; fetch or save it again, or export the generator to ONNX where it runs"
    )


def taken(state: State, name: str) -> TensorRecord:
    """The tensor of that name; an error where the file lacks it."""
    if name not in state:
        raise missing(name)
    return state[name]


def sizes_of(state: State, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor that must have that many dimensions."""
    shape = taken(state, name).shape
    if len(shape) != dimensions:
        raise TlganError(f"tensor {name} is {list(shape)}: expected {dimensions} sizes")
    return shape
