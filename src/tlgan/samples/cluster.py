"""`Ray`: samples painted by the workers of a Ray cluster, or of a Ray that is started on this machine.

Networks go into Ray's object store once, under their hash, and into a worker once. Workers write the parts where the
workspace lies; what comes back is small. Which worker does what is `schedule`'s matter.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from collections.abc import Generator as Steps
from typing import TYPE_CHECKING, Any

from tlgan import __version__
from tlgan.errors import TlganError

from .engines import Job, painted_elsewhere
from .hand import Hand, packed, placed
from .schedule import Done, Event, Failed, Joined, Left, Lost, Schedule

if TYPE_CHECKING:
    from .draw import Painted

#: Seconds after which it is said that workers wait for room in the cluster.
_PATIENCE = 60.0


class Ray:
    """Painting by workers of Ray (`tlgan[ray]`).

    ``address``: of a cluster as `ray.init` takes it, "" for one that `RAY_ADDRESS` or this process knows, or else a Ray of
    this machine's own; ``workers``: how many, 0 for as many as there is room for; ``gpus_per_worker``: the share of a GPU
    that each has to itself, 0 to use processors; ``threads``: of each worker, 0 for as many as this process uses: with
    those, rows are the same bit for bit as painted here, by any number of workers on the same kind of processor.
    ``cpu_workers``: so many more that have no GPU, which rounds otherwise.
    """

    #: Workers write whole parts themselves.
    writes = True

    def __init__(
        self,
        address: str = "",
        *,
        workers: int = 0,
        gpus_per_worker: float = 0.0,
        threads: int = 0,
        cpu_workers: int = 0,
    ) -> None:
        """Raises ValueError for numbers that are none of these."""
        if min(workers, gpus_per_worker, threads, cpu_workers) < 0:
            raise ValueError(f"{workers} workers with {gpus_per_worker} GPUs each: expected none or more")
        self.address, self.workers, self.gpus, self.cpu_workers = address, workers, gpus_per_worker, cpu_workers
        self.threads = threads
        self._actors: Actors | None = None

    def paint(self, job: Job, pieces: Iterator[tuple[int, int]]) -> Steps[Painted, None, None]:
        """As `tlgan.hooks.SamplingEngine`."""
        return painted_elsewhere(self, job, pieces)

    def map(
        self, task: Callable[[Any], Any], items: Iterator[Any], says: Callable[[str], None] = lambda words: None
    ) -> Steps[Any, None, None]:
        """`task(item)` of each item, in order, whatever happens to workers; `says` is called with a line about that."""
        if self._actors is None:
            self._actors = self._connected()
        actors = self._actors
        actors.use(task, says)
        try:
            yield from Schedule(actors, says).run(items)
        finally:
            actors.rest()

    def close(self) -> None:
        """End the workers."""
        if self._actors is not None:
            self._actors.close()
            self._actors = None

    def __enter__(self) -> Ray:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> Actors:
        import torch

        ray = import_ray()

        threads = self.threads or torch.get_num_threads()
        if not ray.is_initialized():
            start_ray(ray, self.address, max(os.cpu_count() or 1, (self.workers or 1) * threads))
        there = ray.cluster_resources()
        counts = {self.gpus: self.workers} if self.workers else {}
        if not self.workers and self.gpus:
            counts = {self.gpus: math.floor(there.get("GPU", 0) / self.gpus)}
        elif not self.workers:
            counts = {0.0: max(1, math.floor(there.get("CPU", 1) / threads))}
        if self.gpus and there.get("GPU", 0) < self.gpus:
            raise TlganError(
                f"workers with {self.gpus:g} GPU each were asked for, and this Ray has {there.get('GPU', 0):g}: leave "
                "--gpus-per-worker out, or start Ray where GPUs are"
            )
        if self.cpu_workers:
            counts[0.0] = counts.get(0.0, 0) + self.cpu_workers
        return Actors(ray, [gpu for gpu, count in counts.items() for _ in range(count)], threads)


def import_ray() -> Any:
    """The package, told to send nothing anywhere, and not to print on standard output what it says of lost machines: the
    schedule has a line for that. Raises TlganError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^(Raylet is terminated|The node with node id)")
    try:
        import ray
    except ImportError as error:
        raise TlganError("--engine ray needs the package ray: pip install 'tlgan[ray]'") from error
    return ray


def start_ray(ray: Any, address: str, cpus: int, **more: Any) -> None:
    """Connect to a cluster, or start a Ray of this machine (``more``: for `ray.init` then). Raises TlganError where that fails.

    Ray lets workers import from the folder that this process stands in, which may be a stranger's: it stands at the root
    for that moment.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address or os.environ.get("RAY_ADDRESS"):
        options |= {"address": address or os.environ["RAY_ADDRESS"]}
    else:
        options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False}
        options |= {"object_store_memory": 400 * 2**20, **more}
    try:
        with contextlib.chdir(os.path.abspath(os.sep)), _path_of_this_process():
            ray.init(**options)
    except Exception as error:  # Ray has many, and some are bare
        said = str(error).strip().splitlines()
        where = "on this machine" if options["address"] == "local" else f"at {options['address']}"
        raise TlganError(
            f"Ray can't be reached or started {where} ({said[0] if said else type(error).__name__}): see that it runs "
            "there (`ray status`), or use --engine processes:N"
        ) from error


@contextlib.contextmanager
def _path_of_this_process() -> Iterator[None]:
    """Processes that are started inside find what this one can import, as those of `io.isolation.worker` do."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


class Actors:
    """Workers as Ray's actors: a `schedule.Pool`. ``gpus``: the share of a GPU of each."""

    def __init__(self, ray: Any, gpus: list[float], threads: int) -> None:
        self.ray, self.threads = ray, threads
        self._kinds = gpus
        self._networks: dict[int, tuple[Any, str]] = {}  # by identity, held so that it stays theirs: the hash
        self._stored: dict[str, Any] = {}  # by hash, in the object store
        self._task: tuple[Any, dict[str, Any]] | None = None
        self._count = itertools.count(1)
        self._known: dict[Hashable, tuple[Any, float, dict[str, str]]] = {}  # ready ones: actor, GPU, what it said
        self._greetings: dict[Any, tuple[Any, float, str]] = {}  # those of workers that are not ready
        self._asked: dict[Any, tuple[Hashable, int]] = {}  # what was said of an item, to come
        self._given: dict[tuple[Hashable, int], tuple[Any, Any]] = {}
        self._events: list[Event] = []
        self._says: Callable[[str], None] = lambda words: None
        self._waiting_since, self._told = time.monotonic(), False

    def use(self, task: Callable[[Any], Any], says: Callable[[str], None]) -> None:
        """Have all workers do items of this task from now on."""
        used: dict[str, Any] = {}

        def named(network: Any) -> str:
            key = self._key(network)
            used[key] = self._stored[key]
            return key

        try:
            data = packed(task, named)
        except Exception as error:
            said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise TlganError(f"this can't be copied to other processes ({said}): use --engine local") from error
        self._task, self._says = (self.ray.put(data), used), says
        for worker, (actor, _, _) in self._known.items():
            self._begin(actor)
            self._events.append(Joined(worker))
        missing = list(self._kinds)
        for _, gpu, _ in [*self._known.values(), *self._greetings.values()]:
            missing.remove(gpu)
        for gpu in missing:
            self._start(gpu)
        self._waiting_since, self._told = time.monotonic(), False

    def submit(self, worker: Hashable, number: int, item: Any) -> None:
        """As `Pool`."""
        actor = self._known[worker][0]
        said, result = actor.do.options(num_returns=2).remote(item)
        self._asked[said] = worker, number
        self._given[worker, number] = said, result

    def events(self, seconds: float) -> list[Event]:
        """As `Pool`."""
        waiting = [*self._asked, *self._greetings]
        if waiting and not self._events:
            ready, _ = self.ray.wait(waiting, num_returns=1, timeout=seconds, fetch_local=False)
            if ready and len(waiting) > 1:
                ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0, fetch_local=False)
            for ref in ready:
                self._events += self._greeted(ref) if ref in self._greetings else self._answered(ref)
        elif not self._events:
            time.sleep(seconds)
        if not self._known and not self._told and time.monotonic() - self._waiting_since > _PATIENCE:
            self._told = True
            self._says(
                f"no worker has found room yet: {len(self._greetings)} are asked for, with {self.threads} CPUs each"
            )
        found, self._events = self._events, []
        return found

    def fetch(self, worker: Hashable, number: int) -> Any:
        """As `Pool`."""
        _, result = self._given.pop((worker, number))
        try:
            return self.ray.get(result)
        except self.ray.exceptions.RayError as error:
            raise Lost from error

    def forget(self, worker: Hashable, number: int) -> None:
        """As `Pool`."""
        said, _ = self._given.pop((worker, number), (None, None))
        if self._asked.pop(said, None) and worker in self._known:
            self.ray.cancel(said)  # where it has not been begun

    def retire(self, worker: Hashable) -> list[Hashable]:
        """As `Pool`: all workers of its machine."""
        node = self._known[worker][2]["node"]
        gone = [other for other, (_, _, said) in self._known.items() if said["node"] == node]
        for other in gone:
            actor, gpu, _ = self._known.pop(other)
            self._kinds.remove(gpu)
            self.ray.kill(actor)
        return gone

    def coming(self) -> int:
        """As `Pool`."""
        return len(self._greetings)

    def rest(self) -> None:
        """Nobody waits any more: end those that are still at work, for the next `use` to start others."""
        for worker in {worker for worker, _ in self._asked.values()}:
            if worker in self._known:
                self.ray.kill(self._known.pop(worker)[0])
        self._asked.clear()
        self._given.clear()
        self._events.clear()
        self._task = None

    def close(self) -> None:
        """End all of them."""
        for actor, *_ in [*self._known.values(), *self._greetings.values()]:
            self.ray.kill(actor)
        self._known.clear()
        self._greetings.clear()

    def _key(self, network: Any) -> str:
        known = self._networks.get(id(network))
        if known is None:
            import torch

            here = torch.device("cpu")
            sent = network if getattr(network, "device", here) == here else placed(copy.deepcopy(network), here)
            data = self.ray.cloudpickle.dumps(sent)
            known = self._networks[id(network)] = network, hashlib.sha256(data).hexdigest()
            if known[1] not in self._stored:
                self._stored[known[1]] = self.ray.put(data)
        return known[1]

    def _start(self, gpu: float) -> None:
        options: Mapping[str, Any] = {"num_cpus": self.threads, "num_gpus": gpu, "max_restarts": 0}
        paths = [path for path in sys.path if os.path.isabs(path)]
        actor = self.ray.remote(Hand).options(**options).remote(paths, self.threads, gpu)
        self._greetings[actor.hello.remote()] = actor, gpu, f"worker {next(self._count)}"

    def _begin(self, actor: Any) -> None:
        assert self._task is not None
        task, networks = self._task
        actor.use.remote([task], networks)

    def _greeted(self, ref: Any) -> list[Event]:
        actor, gpu, name = self._greetings.pop(ref)
        try:
            said: dict[str, str] = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            self._start(gpu)
            worker = f"{name} (not started)"
            return [Joined(worker), Left(worker, _why(error))]
        if said["tlgan"] != __version__:
            raise TlganError(
                f"{said['host']} has tlgan {said['tlgan']}, and this machine {__version__}: install the same everywhere"
            )
        worker = f"{name} on {said['host']}"
        mine = {key: said[key] for key in ("torch", "processor", "device")}
        for _, _, other in self._known.values():
            theirs = {key: other[key] for key in mine}
            if theirs != mine:
                self._says(f"{worker} computes by {_listed(mine)}, another by {_listed(theirs)}: last bits may differ")
                break
        self._known[worker] = actor, gpu, said
        self._begin(actor)
        return [Joined(worker)]

    def _answered(self, ref: Any) -> list[Event]:
        worker, number = self._asked.pop(ref)
        if worker not in self._known:
            return []
        try:
            failed = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            _, gpu, _ = self._known.pop(worker)
            self._start(gpu)
            return [Left(worker, _why(error))]
        return [Done(worker, number) if failed is None else Failed(worker, number, TlganError(failed[0]), failed[1])]


def _listed(said: Mapping[str, str]) -> str:
    return ", ".join(said.values())


def _why(error: Exception) -> str:
    """What Ray says of a lost worker, in few words."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "died" in line or "memory" in line), "")
    if "creation task" in told:  # then what it raised stands last
        told = lines[-1]
    return (told or (lines[0] if lines else type(error).__name__))[:160]
