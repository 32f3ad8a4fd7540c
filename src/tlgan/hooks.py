"""Extension points: one hook for each kind of thing that can be added.

A hook knows names. What ships with tlgan is listed below as `"module:attribute"`, the form in which a package lists what it
brings in the entry points of its `pyproject.toml` (the hook's `group`), and both are loaded by the same line when they are
asked for by name. `Hook.register` adds an object in this process alone, for a notebook or a test. docs/extending.md
has an example of each, which the tests run.
"""

from __future__ import annotations

from collections.abc import Generator as Steps
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from tlgan.errors import TlganError
from tlgan.io.isolation import EntryPoint, entry_points, load

if TYPE_CHECKING:
    import numpy as np

    from tlgan.axes.directions import Directions, Labelled
    from tlgan.editing import Canvas
    from tlgan.evaluation.metrics import Seen
    from tlgan.evaluation.statistics import Estimate
    from tlgan.extractors import Extractor
    from tlgan.generators import Generator
    from tlgan.generators.blueprint import Blueprint
    from tlgan.generators.checkpoint import Checkpoint
    from tlgan.samples.draw import Painted
    from tlgan.samples.engines import Job

T = TypeVar("T")


class UnrecognisedFile(TlganError):
    """A format does not know a file. Others are asked; where none knows it, the first such line is what is said."""


@dataclass(frozen=True)
class GeneratorFile:
    """A file as a format sees it: ``path``; ``name`` for the generator; ``checkpoint``, its tensors and plain values read
    without executing anything, None where it is no container that is known; ``trust``: the person said that code in it
    may run; ``recorded``: a fingerprint that was written down earlier, or ""."""

    path: Path
    name: str = ""
    checkpoint: Checkpoint | None = None
    trust: bool = False
    recorded: str = ""

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


# -- what a person may add, each as one signature ------------------------------------------------------------------


class GeneratorFormat(Protocol):
    """A kind of generator file, or of address."""

    def __call__(
        self, file: GeneratorFile | str, *, device: str = "cpu", **options: Any
    ) -> Generator | Blueprint | None:
        """The generator that a file holds; its blueprint, where the network is one of tlgan's own; None where the file is
        of another kind. A reference `name:rest` is handed to the format of that name alone, as the text `rest`."""
        ...


class ExtractorFactory(Protocol):
    """What makes an extractor."""

    def __call__(self, **options: Any) -> Extractor:
        """The extractor, ready to `extract`."""
        ...


class AxisMethod(Protocol):
    """A way of finding directions in latent space."""

    def fit(self, samples: Labelled) -> Directions:
        """Directions from labelled samples, or from the generator's weights alone: moves [k, d] in latent units.

        One that is named as a feature moves that feature; how far is measured afterwards.
        """
        ...


class Inverter(Protocol):
    """A way from a photograph to a latent."""

    def invert(self, picture: np.ndarray, canvas: Canvas) -> np.ndarray:
        """The latent float32 [d], or [layers, d] in w+, whose picture is nearest to `picture` uint8 [H, W, 3]."""
        ...


class SamplingEngine(Protocol):
    """Where samples are painted and measured.

    One with `map(task, items, says)` besides, which yields `task(item)` of each item in order, also does what else can be
    done elsewhere: measuring for an added extractor, trying out edits. Where it has `writes = True`, its workers write
    whole parts themselves.
    """

    def paint(self, job: Job, pieces: Iterator[tuple[int, int]]) -> Steps[Painted, None, None]:
        """`job.paint(start, rows)` for each of the pieces (start, rows), in their order. It may be closed
        before its end; no piece is taken from `pieces` long before it is needed."""
        ...


class EvaluationMethod(Protocol):
    """A way of moving one feature of a face while others are to stay."""

    @property
    def name(self) -> str:
        """Short, as the report and `--method` have it."""
        ...

    @property
    def words(self) -> str:
        """What it does, in a line."""
        ...

    def latents(
        self, canvas: Canvas, starts: np.ndarray, name: str, asks: np.ndarray, others: Sequence[str]
    ) -> np.ndarray:
        """Edited latents float32 [n, d] of `starts` [n, d]: feature `name` asked to change by `asks` [n] sd, `others` are
        the features that are judged."""
        ...


class Metric(Protocol):
    """A figure of a method of evaluation."""

    def __call__(self, seen: Seen) -> Estimate | float:
        """The figure, from what a judge saw of every edit of the method."""
        ...


# -- the hooks -----------------------------------------------------------------------------------------------------


class Hook(Generic[T]):
    """The things of one kind, by name."""

    def __init__(self, group: str, what: str, built_in: Mapping[str, str] | None = None) -> None:
        """``group``: of entry points; ``what`` one of these is called; ``built_in``: name -> "module:attribute"."""
        self.group, self.what = group, what
        self.built_in = {name: EntryPoint(name, value, group) for name, value in (built_in or {}).items()}
        self._registered: dict[str, T] = {}

    def installed(self) -> list[EntryPoint]:
        """Those of installed packages, by name. A name that is built in stays what it is."""
        return [entry for entry in entry_points(self.group) if entry.name not in self.built_in]

    def names(self) -> tuple[str, ...]:
        """All that `get` takes: built in, registered here, installed. Nothing is imported."""
        return tuple(dict.fromkeys([*self.built_in, *self._registered, *(e.name for e in self.installed())]))

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def register(self, name: str, thing: T) -> T:
        """Make `thing` known by `name` in this process. Raises TlganError where the name is taken by what is built in."""
        if name in self.built_in:
            raise TlganError(f"{self.what} {name!r} is built in: choose another name")
        self._registered[name] = thing
        return thing

    def get(self, name: str) -> T:
        """What goes by that name, imported now. Raises TlganError for an unknown one, or where its package is broken."""
        if name in self._registered:
            return self._registered[name]
        entry = self.built_in.get(name) or next((e for e in self.installed() if e.name == name), None)
        if entry is None:
            raise TlganError(f"unknown {self.what} {name!r}: expected one of {', '.join(self.names())}")
        try:
            return cast(T, load(entry))
        except (ImportError, AttributeError) as error:
            raise TlganError(f"{self.what} {name!r} of {entry.value} can't be imported: {error}") from error

    def make(self, ref: str) -> Any:
        """Call the factory that `ref` names: `name`, or `name:argument` with its one argument as text.

        Raises TlganError as `get` does, and where the factory takes no such argument.
        """
        name, colon, argument = ref.partition(":")
        factory: Any = self.get(name)
        try:
            return factory(argument) if colon else factory()
        except (TypeError, ValueError) as error:
            raise TlganError(f"{self.what} {ref!r} can't be made: {error}") from error


#: Asked in this order, then those of packages.
GENERATOR_FORMATS: Hook[GeneratorFormat] = Hook(
    "tlgan.generators",
    "generator format",
    {"tensors": "tlgan.generators.loading:read_tensors", "graph": "tlgan.generators.loading:read_graph"},
)
EXTRACTORS: Hook[ExtractorFactory] = Hook(
    "tlgan.extractors",
    "extractor",
    {
        "celeba40": "tlgan.extractors.faces:celeba40",
        "judge40": "tlgan.extractors.faces:judge40",
        "colour": "tlgan.extractors.colour:ColourExtractor",
    },
)
AXIS_METHODS: Hook[type[AxisMethod]] = Hook(
    "tlgan.axis_methods",
    "axis method",
    {
        "regression": "tlgan.axes.methods.regression:Regression",
        "svm": "tlgan.axes.methods.svm:LinearSVM",
        "svm-conditional": "tlgan.axes.methods.svm:ConditionalSVM",
        "mean-difference": "tlgan.axes.methods.mean_difference:MeanDifference",
        "gradient": "tlgan.axes.methods.gradient:MeanGradient",
        "pca": "tlgan.axes.methods.pca:PrincipalComponents",
        "sefa": "tlgan.axes.methods.sefa:SeFa",
    },
)
INVERTERS: Hook[type[Inverter]] = Hook(
    "tlgan.inverters",
    "inverter",
    {
        "both": "tlgan.photographs.invert:EncodedOptimisation",
        "optimisation": "tlgan.photographs.invert:Optimisation",
        "encoder": "tlgan.photographs.invert:EncoderAlone",
    },
)
SAMPLING_ENGINES: Hook[type[SamplingEngine]] = Hook(
    "tlgan.engines",
    "sampling engine",
    {
        "local": "tlgan.samples.engines:Local",
        "processes": "tlgan.samples.engines:Processes",
        "ray": "tlgan.samples.cluster:Ray",
    },
)
EVALUATION_METHODS: Hook[EvaluationMethod] = Hook(
    "tlgan.evaluation_methods",
    "method",
    {
        "plain": "tlgan.evaluation.methods:PLAIN",
        "conditioned": "tlgan.evaluation.methods:CONDITIONED",
        "joint": "tlgan.evaluation.methods:JOINT",
        "soft": "tlgan.evaluation.methods:SOFT",
        "exact": "tlgan.evaluation.methods:EXACT",
        "exact-live": "tlgan.evaluation.methods:EXACT_LIVE",
        "exact-quick": "tlgan.evaluation.methods:EXACT_QUICK",
        "exact-identity": "tlgan.evaluation.methods:EXACT_IDENTITY",
    },
)
METRICS: Hook[Metric] = Hook(
    "tlgan.metrics",
    "metric",
    {
        "got": "tlgan.evaluation.metrics:got",
        "error": "tlgan.evaluation.metrics:error",
        "drift": "tlgan.evaluation.metrics:drift",
        "leak": "tlgan.evaluation.metrics:leak",
        "identity": "tlgan.evaluation.metrics:identity",
        "frechet": "tlgan.evaluation.metrics:frechet",
        "precision": "tlgan.evaluation.metrics:precision",
        "recall": "tlgan.evaluation.metrics:recall",
    },
)
#: Every hook, with the signature that its things have.
HOOKS: dict[str, tuple[Hook[Any], type]] = {
    "generator format": (GENERATOR_FORMATS, GeneratorFormat),
    "extractor": (EXTRACTORS, ExtractorFactory),
    "axis method": (AXIS_METHODS, AxisMethod),
    "inverter": (INVERTERS, Inverter),
    "sampling engine": (SAMPLING_ENGINES, SamplingEngine),
    "evaluation method": (EVALUATION_METHODS, EvaluationMethod),
    "metric": (METRICS, Metric),
}
