"""A user's own `torch.nn.Module`, TorchScript and `torch.export` files: latents go in, pictures come out."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tlgan.errors import TlganError

from .ends import LABELS, Ends, Input, chosen_ends, pictures
from .foreign import USUAL, ForeignGenerator, UnsteadyError

_DEPTH = 3  # functions that a function refers to


class WrappedModule(ForeignGenerator):
    """A module that takes latents [n, d], [n, d, 1, 1] or [d], and what `ends` says, and paints pictures."""

    def __init__(
        self,
        module: Any,
        *,
        latent_dim: int,
        picture_range: tuple[float, float] | None = (-1.0, 1.0),
        fixed_batch: int | None = None,
        resolution: int | None = None,
        output: str | None = None,
        ends: Ends | None = None,
        name: str = "",
        fingerprint: str = "",
        device: str = "cpu",
    ) -> None:
        self.module = module
        self._ends = ends
        label_dim = ends.label_dim if ends else 0
        self.device = torch.device(device)
        self._tail, fixed = self._input_tail(latent_dim, fixed_batch, label_dim)
        super().__init__(
            name=name or type(module).__name__,
            fingerprint=fingerprint,
            latent_dim=latent_dim,
            picture_range=picture_range,
            fixed_batch=fixed,
            output=output,
            label_dim=label_dim,
            device=device,
        )
        if not fingerprint:
            self.fingerprint = fingerprint_of(module, latent_dim, picture_range or self.picture_range)
        if resolution is not None and resolution != self.resolution:
            raise TlganError(f"{self.name} paints {self.resolution} px, not {resolution}: leave resolution out")

    def _call(self, latents: Tensor, label: Tensor | None) -> dict[str, Any]:
        return self._run(latents, label, self._tail)

    def _run(self, latents: Tensor, label: Tensor | None, tail: tuple[int, ...] | None) -> dict[str, Any]:
        given = latents.reshape(-1) if tail is None else latents.view(*latents.shape, *tail)
        more: dict[str, Any] = dict(self._ends.constants) if self._ends else {}
        if self._ends and self._ends.label is not None and label is not None:
            more[self._ends.label.name] = label.argmax(dim=1) if self._ends.label.kind == "int" else label
        made = self.module(given, **more)
        if isinstance(made, Mapping):
            return {str(name): value for name, value in made.items()}
        return {str(k): value for k, value in enumerate(made if isinstance(made, tuple | list) else [made])}

    def _input_tail(self, d: int, fixed: int | None, classes: int) -> tuple[tuple[int, ...] | None, int | None]:
        """How latents are handed over, found by trying: sizes of one after [n, d], or None for [d]; and the batch."""
        failures = []
        ways: tuple[tuple[tuple[int, ...] | None, int | None], ...] = (((), fixed), ((1, 1), fixed), (None, 1))
        for tail, rows in (*ways, ((), 1), ((1, 1), 1)) if fixed in (None, 1) else ways[:2]:
            n = rows or 2
            label = torch.eye(classes, device=self.device)[:1].expand(n, -1) if classes else None
            try:
                with torch.no_grad():
                    made = self._run(torch.zeros(n, d, device=self.device), label, tail)
            except Exception as error:  # a user's code may raise anything
                failures.append(_first_line(error))
                continue
            if any(pictures(value, n) is not None for value in made.values()):
                return tail, rows
            shapes = [list(v.shape) if isinstance(v, Tensor) else type(v).__name__ for v in made.values()]
            failures.append(f"it returned {shapes[0] if len(shapes) == 1 else shapes}")
        raise TlganError(
            f"the module doesn't paint [n, 1, 3 or 4, H, W] from latents [n, {d}]: {failures[0]}; check latent_dim"
        )


def wrap_generator(
    module: nn.Module | Callable[[Tensor], Tensor],
    latent_dim: int,
    *,
    resolution: int | None = None,
    picture_range: tuple[float, float] | None = None,
    name: str = "",
    device: str = "cpu",
) -> WrappedModule:
    """A user's own module, or function, as a generator.

    `module` maps latents [n, latent_dim] (or [n, latent_dim, 1, 1]: found by trying) to pictures [n, 1 or 3, H, W];
    `picture_range` is its (low, high), brought to [-1, 1]: found on a few pictures where it is not given, and named in
    `assumed` where it is not [-1, 1]; `resolution`, the larger side, is checked where it is given. A module is put in
    evaluation mode, its parameters want no gradients from here on, and the fingerprint is that of its structure and
    numbers; that of a function is its source text's and that of the networks and arrays it refers to.
    """
    if isinstance(module, nn.Module):
        module = module.eval().requires_grad_(False).to(device)
    wrapped = WrappedModule(
        module, latent_dim=latent_dim, resolution=resolution, picture_range=picture_range, name=name, device=device
    )
    if picture_range is None:
        wrapped.assumed = _range_assumed(wrapped)
    return wrapped


def found_latents(
    module: nn.Module | Callable[[Tensor], Tensor],
    *,
    name: str,
    device: str = "cpu",
    latent_dim: int | None = None,
    picture_range: tuple[float, float] | None = None,
) -> WrappedModule:
    """`wrap_generator` where the size of the latents may be found by trying."""
    parameters: Iterable[Tensor] = ()
    if isinstance(module, nn.Module):
        module = module.eval().requires_grad_(False).to(device)
        parameters = module.parameters()
    wrapped = _traced(module, parameters, name, "", device, latent_dim, picture_range)
    if picture_range is None:
        wrapped.assumed = _range_assumed(wrapped)
    return wrapped


def _range_assumed(wrapped: WrappedModule) -> tuple[str, ...]:
    low, high = wrapped.picture_range
    return () if (low, high) == (-1.0, 1.0) else (f"picture_range={low:g},{high:g}",)


def load_torchscript(path: Path, *, name: str, fingerprint: str, device: str, **options: Any) -> WrappedModule:
    """A TorchScript file, which holds code: only for files the user trusts."""
    try:
        module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise TlganError(f"{path.name} can't be read as TorchScript: {_first_line(error)}") from error
    ends = _ends_of(module, path.name, options)
    return _traced(module, module.parameters(), name, fingerprint, device, ends=ends, **options)


def _ends_of(module: Any, file: str, options: dict[str, Any]) -> Ends | None:
    """Which argument of a TorchScript module takes what, where there is more than one; takes its options away."""
    told = {name: options.pop(name, None) for name in ("label_input", "classes")}
    values = options.pop("inputs", None)
    arguments = module.forward.schema.arguments[1:]  # the first one is the module
    if len(arguments) < 2:
        if values or any(told.values()):
            raise TlganError(f"{file} takes latents alone: leave label_input, classes and inputs out")
        return None
    first, *more = arguments
    inputs = [Input(first.name, "float", (None, None))]
    named = [part.partition(":")[0].strip() for part in (values or "").split(",")]
    for argument in more:
        if argument.has_default_value() and argument.name not in (*named, told["label_input"]):
            continue  # it does without
        is_tensor = str(argument.type) in ("Tensor", "Optional[Tensor]")
        classes = argument.name == told["label_input"] or argument.name.lower() in LABELS or is_tensor
        inputs.append(Input(argument.name, "int" if classes else "float", (None,) if classes else ()))
    ends = chosen_ends(inputs, file, latent_input=first.name, values=values, **told)
    return ends if ends.label is not None or ends.constants else None


def load_exported(path: Path, *, name: str, fingerprint: str, device: str, **options: Any) -> WrappedModule:
    """A `torch.export` file; its batch may be fixed. Only for files the user trusts."""
    try:
        program = torch.export.load(path)
    except Exception as error:  # the format's reader raises whatever its parts do
        raise TlganError(f"{path.name} can't be read as a torch.export file: {_first_line(error)}") from error
    inputs = [
        node.meta["val"].shape
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    if len(inputs) != 1 or len(inputs[0]) not in (2, 4):
        raise TlganError(f"{path.name} takes {len(inputs)} inputs: expected one, latents [n, d]")
    batch, latent_dim = inputs[0][0], int(inputs[0][1])
    module: Any = program.module().to(device)
    module.train = MethodType(
        lambda self, mode=True: self, module
    )  # its own refuses, also as a part of what is exported
    options.setdefault("fixed_batch", batch if isinstance(batch, int) else None)
    options.setdefault("latent_dim", latent_dim)
    return _traced(module, (), name, fingerprint, device, **options)


def _traced(
    module: Any,
    parameters: Iterable[Tensor],
    name: str,
    fingerprint: str,
    device: str,
    latent_dim: int | None = None,
    picture_range: tuple[float, float] | None = None,
    fixed_batch: int | None = None,
    output: str | None = None,
    ends: Ends | None = None,
) -> WrappedModule:
    one_hot = replace(ends, label=replace(ends.label, kind="float")) if ends and ends.label else None
    sizes = [latent_dim] if latent_dim else [*next((list(p.shape[:2]) for p in parameters if p.ndim > 1), []), *USUAL]
    # classes go in as numbers or one-hot: what the module does not take ends in an error of its own
    for size, way in [(size, way) for size in sizes for way in ((one_hot, ends) if one_hot else (ends,))]:
        try:
            made = WrappedModule(
                module,
                latent_dim=size,
                picture_range=picture_range,
                fixed_batch=fixed_batch,
                output=output,
                ends=way,
                name=name,
                fingerprint=fingerprint,
                device=device,
            )
        except UnsteadyError:
            raise
        except TlganError:
            if latent_dim and way is ends:
                raise
            continue
        made.assumed = ends.assumed if ends else ()
        return made
    raise TlganError(f"{name}: the size of its latents can't be found by trying: give latent_dim")


def fingerprint_of(module: nn.Module | Callable[..., Any], *settings: Any) -> str:
    """sha256 over a module's structure (the class and words of every part), its parameters and buffers by name, type,
    shape and bytes, and the `settings` it is used with. What its functions compute is not seen. A function is known by
    its source text (its compiled code where there is none), and by the modules and arrays that it refers to."""
    digest = hashlib.sha256(f"{settings!r}\n".encode())
    _add(digest, module, 0)
    return digest.hexdigest()


def _add(digest: Any, part: Any, depth: int) -> None:
    if isinstance(part, nn.Module):
        for name, inner in part.named_modules():
            digest.update(f"{name}:{type(inner).__qualname__}({inner.extra_repr()})\n".encode())
        for name, tensor in part.state_dict().items():
            _add_tensor(digest, name, tensor)
    elif isinstance(part, Tensor):
        _add_tensor(digest, "", part)
    elif isinstance(part, np.ndarray) and part.dtype.kind in "biuf":
        _add_tensor(digest, "", torch.from_numpy(np.ascontiguousarray(part)))
    elif inspect.ismethod(part) and depth < _DEPTH:
        _add(digest, part.__func__, depth)
        for value in (part.__self__, *getattr(part.__self__, "__dict__", {}).values()):
            _add(digest, value, depth + 1)
    elif inspect.isfunction(part) and depth < _DEPTH:
        try:
            digest.update(inspect.getsource(part).encode())
        except (OSError, TypeError):
            digest.update(part.__code__.co_code + repr(part.__code__.co_names).encode())
        referred = inspect.getclosurevars(part)
        for name, value in sorted({**referred.globals, **referred.nonlocals}.items()):
            digest.update(f"{name}\n".encode())
            _add(digest, value, depth + 1)


def _add_tensor(digest: Any, name: str, tensor: Tensor) -> None:
    tensor = tensor.detach().cpu().contiguous()
    digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
    digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
