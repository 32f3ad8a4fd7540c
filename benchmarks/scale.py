"""What sampling on many workers costs, and what it survives: `python benchmarks/scale.py pace|faults|driver|rows`.

pace    pictures a second of one worker and of two, each with one thread, of this process alone, and of two plain processes,
        which is what the machine itself gives
faults  a Ray cluster of four nodes on this machine, one of which is killed at a random moment, again and again
driver  1,000 simulated workers and 100,000 parts: the driver's time a part and its memory; what one merge, one call of Ray
        and one part of a folder take, which says where it would break
rows    ten million rows of moments through the learner: its memory

`pace` and `faults` need Ray (`tlgan[ray]`).
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import multiprocessing
import random
import resource
import tempfile
import threading
import time
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlgan.axes import AxisLearner
from tlgan.extractors import Feature
from tlgan.extractors.combined import CombinedExtractor
from tlgan.generators import wrap_generator
from tlgan.samples import Recipe, SampleStore
from tlgan.samples.cluster import Ray, import_ray, start_ray
from tlgan.samples.draw import PartJob, Written
from tlgan.samples.engines import Job
from tlgan.samples.schedule import Done, Event, Joined, Schedule
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover

DIM, SIDE = 32, 64


class Painter(torch.nn.Module):
    """z [n, DIM] -> pictures [n, 3, SIDE, SIDE], by convolutions that take about as long as those of a small GAN."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Linear(DIM, width * 64)
        layers: list[torch.nn.Module] = []
        for _ in range(3):
            layers += [torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(width, width, 3, padding=1), torch.nn.ReLU()]
        self.rest = torch.nn.Sequential(*layers, torch.nn.Conv2d(width, 3, 1))
        self.width = width

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.rest(self.first(z).view(len(z), self.width, 8, 8)))


class Levels:
    """The mean level of each of four quarters; where it is told to, it takes its time."""

    name, input_size = "levels", None
    features = tuple(Feature(f"level_{k}", "quantity", label=f"Level {k}") for k in range(4))

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        half = images.shape[-1] // 2
        quarters = [images[..., a : a + half, b : b + half] for a in (0, half) for b in (0, half)]
        return torch.stack([quarter.mean((1, 2, 3)) for quarter in quarters], dim=1)


def nothing(start: int, latents: np.ndarray, features: np.ndarray) -> None:
    """Brings nothing back."""


def no_work(item: int) -> int:
    """An item that takes no time."""
    return item


def memory() -> float:
    """The most memory that this process has had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Halves:
    """Two processes that know nothing of one another and do half of the items each: the most that this machine gives."""

    def map(self, task: Any, items: Iterator[Any]) -> Iterator[Any]:
        given = list(items)
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=_all_of, args=(task, given[k::2])) for k in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
        return iter(given)


def _all_of(task: Any, items: list[Any]) -> None:
    for item in items:
        task(item)


# -- pace --------------------------------------------------------------------------------------------------------------


def pace(seconds: float, parts: int) -> None:
    """`parts` parts of about `seconds` each, by this process, by one worker, by two."""
    torch.set_num_threads(1)
    generator = wrap_generator(Painter(), latent_dim=DIM)
    extractor = CombinedExtractor([Levels()])
    generator.synthesize(generator.sample(8, seed=0))
    began = time.perf_counter()
    for _ in range(4):
        generator.synthesize(generator.sample(32, seed=0))
    rows = max(32, round(seconds * 128 / (time.perf_counter() - began)))
    names = tuple(feature.name for feature in extractor.features)
    recipe = Recipe(generator.fingerprint, "z", DIM, 0, ("levels",), names, part_rows=rows)
    found: dict[str, float] = {}

    def timed(name: str, painter: Any, folder: Path) -> None:
        job = PartJob(Job(generator, extractor, recipe), SampleStore(folder, recipe), nothing, None)
        warm = PartJob(Job(generator, extractor, recipe), SampleStore(folder / "warm", recipe), nothing, None)
        if painter:  # workers are there, and have imported what they need
            list(painter.map(warm, ((number, 8) for number in range(8))))
        began = time.perf_counter()
        spans = ((number * rows, rows) for number in range(parts))
        done = list(painter.map(job, spans) if painter else map(job, spans))
        found[name] = time.perf_counter() - began
        assert not isinstance(painter, Ray | None) or all(isinstance(one, Written) for one in done)
        print(
            f"{name}: {parts} parts of {rows} pictures in {found[name]:.2f} s, {parts * rows / found[name]:.1f} a second"
        )

    with tempfile.TemporaryDirectory() as folder:
        timed("this process", None, Path(folder) / "local")
        for workers in (1, 2):
            with Ray(workers=workers, threads=1) as painter:
                timed(f"{workers} worker{'s' * (workers > 1)}", painter, Path(folder) / str(workers))
        timed("2 processes without Ray", Halves(), Path(folder) / "processes")
        digests = [
            [(path.name, path.read_bytes()) for path in sorted((Path(folder) / name).iterdir())]
            for name in ("local", "1", "2", "processes")
        ]
        print(f"files are the same bit for bit: {all(one == digests[0] for one in digests)}")
    over = (found["1 worker"] - found["this process"]) / parts
    print(f"Ray adds {1000 * over:.0f} ms a part: {100 * over / 20:.2f} % of one of 20 s")
    print(f"two workers paint {found['1 worker'] / found['2 workers']:.2f} times the pictures of one, two processes without "
          f"Ray {found['this process'] / found['2 processes without Ray']:.2f} times those of this one")  # fmt: skip


# -- faults ------------------------------------------------------------------------------------------------------------


def faults(times: int, seed: int) -> None:
    """Axes of a run one of whose four nodes is killed, against those of a run in this process."""
    ray = import_ray()
    from ray.cluster_utils import Cluster

    torch.set_num_threads(1)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp", ignore_cleanup_errors=True) as folder:
        local = made(Path(folder) / "local", "local", 0.0)
        node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        head = {**node, "num_cpus": 0, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        nodes = [cluster.add_node(**node) for _ in range(4)]
        start_ray(ray, cluster.address, 0)
        same = 0
        for turn in range(times):
            said: list[str] = []
            with Ray(workers=4, threads=1) as painter:
                list(painter.map(no_work, iter(range(8))))
                victim, moment = chance.randrange(len(nodes)), chance.uniform(0.2, 4.0)
                killer = threading.Timer(moment, lambda k=victim: cluster.remove_node(nodes[k], allow_graceful=False))
                killer.start()
                began = time.perf_counter()
                found = made(Path(folder) / f"turn-{turn}", painter, 0.01, said)
                took = time.perf_counter() - began
                killer.join()
            equal = same_axes(local, found)
            same += equal
            lost = [line for line in said if "lost" in line or "can't go on" in line]
            print(f"turn {turn + 1}: a node killed after {moment:.1f} of {took:.1f} s; axes and parts identical: {equal}; "
                  f"{lost or 'no worker was in it'}", flush=True)  # fmt: skip
            if turn + 1 < times:
                nodes[victim] = cluster.add_node(**node)
        print(f"{same} of {times} identical")
        ray.shutdown()
        cluster.shutdown()


def made(path: Path, engine: Any, seconds: float, said: list[str] | None = None) -> Workspace:
    """A workspace of 40 parts of one painter."""
    settings = Settings(generator="painter", extractors=("levels",), base=(), max_samples=40_000, resolution=16)
    networks: Any = {"generator": wrap_generator(Flat(), latent_dim=DIM), "loaded": {"levels": Levels(seconds)}}
    return discover(path, settings, sure=1.0, engine=engine, progress=None if said is None else said.append,
                    **networks)  # fmt: skip


class Flat(torch.nn.Module):
    """Four quarters, each of one level."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.levels = torch.nn.Linear(DIM, 4)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        quarters = torch.tanh(0.3 * self.levels(z)).view(-1, 1, 2, 2)
        return quarters.repeat_interleave(8, 2).repeat_interleave(8, 3).expand(-1, 3, -1, -1).contiguous()


def same_axes(one: Workspace, other: Workspace) -> bool:
    """Whether axes and parts are equal bit for bit."""
    numbers = ("directions", "intercepts", "mean", "sd", "quantiles", "r2", "agreement", "correlation")
    parts = zip(one.samples.parts(), other.samples.parts(), strict=True)
    return all(np.array_equal(getattr(one.axes, n), getattr(other.axes, n)) for n in numbers) and all(
        a.read_bytes() == b.read_bytes() for a, b in parts
    )


# -- driver ------------------------------------------------------------------------------------------------------------


class Asleep:
    """Workers that only sleep, in a time of their own."""

    def __init__(self, workers: int, seconds: float) -> None:
        self.now, self.seconds, self.chance = 0.0, seconds, random.Random(0)
        self.until: dict[Hashable, float] = {}
        self._order, self._heap = itertools.count(), []  # type: ignore[var-annotated]
        self._joined: list[Event] = [Joined(worker) for worker in range(workers)]

    def submit(self, worker: Hashable, number: int, item: Any) -> None:
        start = max(self.now, self.until.get(worker, 0.0))
        self.until[worker] = end = start + self.seconds * self.chance.uniform(0.8, 1.2)
        heapq.heappush(self._heap, (end, next(self._order), Done(worker, number)))

    def events(self, seconds: float) -> list[Event]:
        found, self._joined = self._joined, []
        if not found and seconds and self._heap:
            self.now = max(self.now, self._heap[0][0])
        while self._heap and self._heap[0][0] <= self.now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def fetch(self, worker: Hashable, number: int) -> int:
        return number

    def forget(self, worker: Hashable, number: int) -> None:
        pass

    def retire(self, worker: Hashable) -> list[Hashable]:
        return [worker]

    def coming(self) -> int:
        return 0


def driver(workers: int, parts: int, with_ray: bool) -> None:
    """What the driver does for each part, step by step."""
    pool, before = Asleep(workers, 20.0), memory()
    began = time.process_time()
    done = Schedule(pool, clock=lambda: pool.now).run(iter(range(parts)))
    assert all(number == value for number, value in enumerate(done))
    each = (time.process_time() - began) / parts
    print(f"{workers:,} workers, {parts:,} parts: {1e3 * each:.3f} ms of the driver's processor a part in handing out, "
          f"{memory() - before:.1f} MB more memory; the workers' own time {pool.now:,.0f} s of {parts * 20 / workers:,.0f}")  # fmt: skip
    for dim in (64, 128, 512):
        learner, latents, values = taught(dim)
        lessons = [learner.study.lesson(1000 * k, latents, values) for k in range(20)]
        began = time.process_time()
        for lesson in lessons:
            learner.take(lesson)
        merge = (time.process_time() - began) / len(lessons)
        size = sum(fold.scatter.nbytes for fold in lessons[0].folds)
        print(f"{dim} dimensions and 47 features: {1e3 * merge:.2f} ms to take in a part, {size / 1e6:.2f} MB to send")
    if with_ray:
        with Ray(workers=2, threads=1) as painter:
            list(painter.map(no_work, iter(range(50))))
            began = time.perf_counter()
            list(painter.map(no_work, iter(range(1000))))
            print(f"{time.perf_counter() - began:.3f} ms a part for what Ray does between the driver and two workers")


def taught(dim: int) -> tuple[AxisLearner, np.ndarray, np.ndarray]:
    """A learner, and 1,000 rows for it."""
    rng = np.random.default_rng(0)
    features = [Feature(f"f{k}", "quantity", label=f"F{k}") for k in range(47)]
    latents = rng.normal(size=(1000, dim)).astype(np.float32)
    return AxisLearner(features, dim), latents, (latents @ rng.normal(size=(dim, 47))).astype(np.float32)


# -- rows --------------------------------------------------------------------------------------------------------------


def rows(total: int, dim: int) -> None:
    """Rows of moments through the learner, 1,000 at a time, each part's anew."""
    from dataclasses import replace

    learner, latents, values = taught(dim)

    def lessons() -> Iterator[Any]:
        lesson = learner.study.lesson(0, latents, values)
        none = latents[:0], values[:0].astype(np.float32)
        for number in range(total // 1000):
            folds = [replace(fold, mean=fold.mean.copy(), scatter=fold.scatter.copy()) for fold in lesson.folds]
            kept = (lesson.latents, lesson.responses) if number < 10 else none
            yield replace(lesson, start=1000 * number, folds=folds, latents=kept[0], responses=kept[1])

    began = time.perf_counter()
    for number, lesson in enumerate(lessons(), 1):
        learner.take(lesson)
        if number in (100, 1000, total // 1000):
            print(f"{1000 * number:,} rows: at most {memory():.0f} MB, {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pace", "faults", "driver", "rows"))
    parser.add_argument("--seconds", type=float, default=20.0, help="pace: of a part")
    parser.add_argument("--parts", type=int, default=4, help="pace: how many")
    parser.add_argument("--times", type=int, default=10, help="faults: nodes that are killed")
    parser.add_argument("--seed", type=int, default=0, help="faults: of the moments")
    parser.add_argument("--no-ray", action="store_true", help="driver: leave out what needs Ray")
    parser.add_argument("--dim", type=int, default=512, help="rows: of the latents")
    given = parser.parse_args()
    if given.what == "pace":
        pace(given.seconds, given.parts)
    elif given.what == "faults":
        faults(given.times, given.seed)
    elif given.what == "driver":
        driver(1000, 100_000, not given.no_ray)
    else:
        rows(10_000_000, given.dim)
