"""A worker of `cluster.Ray`, a process of its own: caches networks by their hash and runs items with them."""

from __future__ import annotations

import errno
import io
import pickle
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tlgan import __version__
from tlgan.errors import TlganError

#: What is the place's fault and not the item's: another place may do it.
_UNFIT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class Hand:
    """Ray makes an actor of it. ``paths``: where modules of the driver are looked for after this machine's own;
    ``threads``: that every item is done with; ``gpu``: the share of one that is its own, 0 to use the processor."""

    def __init__(self, paths: Sequence[str], threads: int, gpu: float) -> None:
        import torch
        from threadpoolctl import threadpool_limits

        sys.path.extend(path for path in paths if path not in sys.path)
        torch.set_num_threads(threads)
        self._limits = threadpool_limits(threads)
        self.device = torch.device("cuda" if gpu else "cpu")
        if 0 < gpu < 1:  # several share it, and each makes its batches of what it may have
            torch.cuda.set_per_process_memory_fraction(gpu)
        self._networks: dict[str, Any] = {}
        self._task: Callable[[Any], Any] | None = None
        self._failed: Exception | None = None

    def hello(self) -> dict[str, str]:
        """What rows may depend on beside the recipe, and where this is."""
        import ray
        import torch

        context = ray.get_runtime_context()
        return {
            "tlgan": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "host": platform.node(),
            "node": context.get_node_id(),
        }

    def use(self, task: list[Any], networks: Mapping[str, Any]) -> None:
        """Do items of this task from here on. Both are references into the object store; a network that is here stays."""
        import ray

        try:
            self._networks = {key: value for key, value in self._networks.items() if key in networks}
            for key, ref in networks.items():
                if key not in self._networks:
                    self._networks[key] = placed(pickle.loads(ray.get(ref)), self.device)
            self._task, self._failed = unpacked(ray.get(task[0]), self._networks), None
        except Exception as error:
            self._task, self._failed = None, error

    def do(self, item: Any) -> tuple[tuple[str, bool] | None, Any]:
        """Whether it failed, as (what was said, whether this is no place to do it), and the result."""
        try:
            if self._failed is not None:
                raise TlganError(f"a worker can't load what it needs: {self._failed}")
            assert self._task is not None
            return None, self._task(item)
        except Exception as error:
            return (
                str(error) if isinstance(error, TlganError) else f"{type(error).__name__}: {error}",
                unfit(error),
            ), None


def unfit(error: BaseException | None) -> bool:
    """Whether an error is this worker's and not the item's: nothing can be done here."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _UNFIT:
            return True
        error = error.__cause__
    return False


def is_network(obj: Any) -> bool:
    """Whether it is a generator or an extractor."""
    kind = type(obj)
    if hasattr(kind, "synthesize"):
        return "fingerprint" in dir(obj)
    return hasattr(kind, "extract") and "features" in dir(obj)


def packed(task: Any, named: Callable[[Any], str]) -> bytes:
    """A task as bytes in which networks are names: they are packed once for all tasks and workers. Classes of a notebook
    or a script go with it."""
    from ray import cloudpickle

    class Packer(cloudpickle.CloudPickler):  # type: ignore[misc]
        def persistent_id(self, obj: Any) -> str | None:
            return named(obj) if is_network(obj) else None

    Packer(file := io.BytesIO()).dump(task)
    return file.getvalue()


def unpacked(data: bytes, networks: Mapping[str, Any]) -> Any:
    """The task again."""
    unpickler = pickle.Unpickler(io.BytesIO(data))
    unpickler.persistent_load = networks.__getitem__  # type: ignore[method-assign]
    return unpickler.load()


def placed(network: Any, device: Any) -> Any:
    """A generator with all that is its own on a device. Extractors stay where they are: pictures come to the processor."""
    import torch

    if not hasattr(type(network), "synthesize") or getattr(network, "device", device) == device:
        return network
    for name, value in vars(network).items():
        if isinstance(value, torch.nn.Module | torch.Tensor):
            setattr(network, name, value.to(device))
        elif isinstance(value, torch.device):
            setattr(network, name, device)
    return network
