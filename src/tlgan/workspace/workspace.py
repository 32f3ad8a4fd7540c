"""The folder a user owns: what was used and what was found.

`tlgan.toml` says what the workspace is made of and may be edited by a person; `samples/`, `axes.safetensors` and
`report.html` are derived from it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from tlgan.errors import AssumedWarning, BadFile, TlganError
from tlgan.io.consent import named_by
from tlgan.io.files import replacing, sweep, to_read
from tlgan.io.hub import cache_dir
from tlgan.io.lock import LOCK, locked
from tlgan.io.place import Place, bucket_of, mirror, place_of, upload
from tlgan.io.step import Step, finish, held
from tlgan.progress import Progress, ProgressLike, as_progress

from .settings import (
    AXES_FILE,
    DEFAULT_BASE,
    EXTRACTORS_FOLDER,
    PREVIEW_FILE,
    SAMPLES_FOLDER,
    SETTINGS_FILE,
    Settings,
    generator_ref,
    located,
)

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.editing import Canvas, Face
    from tlgan.extractors import Extractor
    from tlgan.extractors.combined import CombinedExtractor
    from tlgan.generators import Generator
    from tlgan.photographs import Found, PhotographEditor, Plan
    from tlgan.samples import Recipe, SampleStore


IN_MEMORY = "memory:"  # begins the reference of a generator that was handed over in Python
#: Those of this process by fingerprint, as long as somebody holds them: their workspaces open again without them.
_in_memory: WeakValueDictionary[str, Generator] = WeakValueDictionary()


def remember(generator: Generator) -> None:
    """Let workspaces of a generator that no reference leads to be opened in this process."""
    with contextlib.suppress(TypeError):  # a third party's kind may not allow weak references
        _in_memory[generator.fingerprint] = generator


class Workspace:
    """A generator, its extractors, the samples drawn and the axes found: a folder, as it was when it was opened.

    A record: nothing in it changes. What is not given is read from the folder when it is first asked for. `add` and
    `changed` return a new one.
    """

    def __init__(
        self,
        path: str | Path,
        settings: Settings,
        *,
        generator: Generator | None = None,
        extractor: CombinedExtractor | None = None,
        axes: Axes | None = None,
        loaded: Mapping[str, Extractor] | None = None,
        trust: bool = False,
        fetch: bool = False,
        named_by: Path | None = None,
        progress: Progress | None = None,
        staged: Path | None = None,
    ) -> None:
        """``generator``, ``extractor``, ``axes``: what is loaded already; ``loaded``: single extractors that are, by
        reference. ``trust`` lets a generator's file hold code (TorchScript); it is never read from the folder, which may
        come from a stranger. ``named_by``: the file that the settings were read from, if any; what it names is fetched
        only with ``fetch`` or where a person agrees. ``progress`` is told of downloads. ``staged``: a folder with files
        of extractors that are not in their place yet."""
        self.path = Path(path)
        self.settings = settings
        self.loaded = dict(loaded or {})
        self.trust = trust
        self.fetch = fetch
        self.named_by = named_by
        self.progress = progress
        self.staged = staged
        known = {"generator": generator, "extractor": extractor, "axes": axes}
        self.__dict__.update({name: value for name, value in known.items() if value is not None})

    def changed(self, **parts: Any) -> Workspace:
        """This workspace with other parts, named as in the constructor; None for one that is to be read again.

        Networks that are loaded stay loaded.
        """
        mine = {name: getattr(self, name) for name in ("settings", "loaded", "trust", "fetch", "named_by", "progress")}
        mine |= {name: self.__dict__.get(name) for name in ("generator", "extractor", "axes")}
        return Workspace(self.path, **{**mine, "staged": self.staged, **parts})

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @cached_property
    def generator(self) -> Generator:
        """The trained generator. Raises TlganError where the reference now leads to another one."""
        ref, expected = generator_ref(self.settings.generator, self.path), self.settings.sha256
        return self.prepared(_in_memory.get(expected) or self._from_reference(ref, expected))

    def prepared(self, generator: Generator) -> Generator:
        """A loaded generator as this workspace paints with it. Raises TlganError where it was made with another one."""
        expected = self.settings.sha256
        if expected and generator.fingerprint in self.settings.accepted:
            generator = copy(generator)
            generator.fingerprint = expected
        if expected and generator.fingerprint != expected:
            raise TlganError(
                f"{self.settings.generator} is another generator ({generator.fingerprint[:12]}) than the one that "
                f"workspace {self.path} was made with ({expected[:12]}): put the old file back, discover into another "
                "folder (-o), or, if you know that both hold the same network, run tlgan move-generator "
                f"{shlex.quote(str(self.path))} {shlex.quote(self.settings.generator)} --accept"
            )
        if hasattr(generator, "statistics_at"):
            generator.statistics_at = min(1.0, max(0.0, self.settings.psi))
        return self.with_preview(generator)

    def _from_reference(self, ref: str, expected: str) -> Generator:
        from tlgan.generators import load_generator

        if ref.startswith(IN_MEMORY):
            raise TlganError(
                f"workspace {self.path} was made from a generator in memory: open it with tlgan.open("
                f"{str(self.path)!r}, generator=...), or give its file or module:function to tlgan move-generator"
            )
        try:
            with named_by(self.named_by, agreed=self.fetch), warnings.catch_warnings():
                if expected:  # what the file leaves open was said when the workspace was made
                    warnings.simplefilter("ignore", AssumedWarning)
                return load_generator(
                    ref,
                    device=_best_device(),
                    trust=self.trust,
                    progress=self.progress,
                    recorded=expected,
                    **self.settings.options,
                )
        except TlganError as error:
            if self.named_by is None or Path(ref).exists() or ":" in ref:
                raise
            raise TlganError(
                f"{error}. Workspace {self.path} names it in {self.named_by} (generator.ref): if the file lies elsewhere "
                f"now, run tlgan move-generator {shlex.quote(str(self.path))} {shlex.quote('NEW/' + Path(ref).name)}"
            ) from error

    def with_preview(self, generator: Generator) -> Generator:
        """The generator with the head of small pictures that this workspace keeps, where it keeps one."""
        from tlgan.generators import LatentGenerator
        from tlgan.generators.loading import with_head

        file = to_read(self.path, PREVIEW_FILE)
        return with_head(generator, file) if file.exists() and isinstance(generator, LatentGenerator) else generator

    @cached_property
    def extractor(self) -> CombinedExtractor:
        """All extractors of the workspace as one."""
        with named_by(self.named_by, agreed=self.fetch):
            folders = [folder for folder in (self.staged, self.path) if folder is not None]
            loaded = load_extractors(self.settings.extractors, *folders, trust=self.trust, loaded=self.loaded)
        recorded = dict(self.settings.extractor_sha256)
        for ref, part in zip(self.settings.extractors, loaded.parts, strict=True):
            if recorded.get(ref) not in (None, part.fingerprint):
                raise TlganError(
                    f"extractor {ref} is another one ({part.fingerprint[:12]}) than workspace {self.path} was made "
                    f"with ({recorded[ref][:12]}): put the old one back, or discover into another folder (-o)"
                )
        return loaded

    @cached_property
    def axes(self) -> Axes:
        """The axes found. Raises TlganError where there are none yet, or those of another generator."""
        from tlgan.axes import Axes

        axes = Axes.load(held(self.path, AXES_FILE))
        if self.settings.sha256 and axes.generator != self.settings.sha256:
            raise TlganError(
                f"{self.path / AXES_FILE} belongs to another generator ({axes.generator[:12]}) than {SETTINGS_FILE} names "
                f"({self.settings.sha256[:12]}): run `tlgan discover` again"
            )
        return axes

    @cached_property
    def canvas(self) -> Canvas:
        """Paints and measures with this workspace's networks."""
        from tlgan.editing import Canvas

        names = tuple(feature.name for feature in self.extractor.features)
        if names != self.axes.names:
            raise TlganError(
                f"the axes in {self.path} are of other features than its extractors ({', '.join(self.settings.extractors)}) "
                "have: run `tlgan discover` again"
            )
        return Canvas(self.generator, self.extractor, self.axes)

    def canvas_as_sampled(self, axes: Axes | None = None) -> Canvas:
        """Paints at the size of the samples; ``axes``: in place of this workspace's own."""
        from tlgan.editing import Canvas

        return Canvas(self.generator, self.extractor, axes or self.axes, resolution=self.settings.resolution)

    @property
    def recipe(self) -> Recipe:
        """What determines every sample row."""
        from tlgan.samples import Recipe, SampleStore, Source

        generator, extractor = self.generator, self.extractor
        painted = self.settings.resolution or generator.resolution
        head = getattr(generator, "head", None)
        thumbnail = min(extractor.input_size or 64, painted)
        part_rows = 1000 if painted <= 128 else 250
        if self._samples_lie_in.has("part-00000.parquet"):  # an extractor that was added since changes no row
            drawn = SampleStore.open(self._samples_lie_in).recipe
            thumbnail, part_rows = drawn.thumbnail, drawn.part_rows
        return Recipe(
            generator=generator.fingerprint,
            space=self.settings.space,
            latent_dim=Source(generator, self.settings.space, groups=self.settings.groups).latent_dim,
            seed=self.settings.seed,
            extractors=tuple(part.name for part in extractor.parts),
            features=tuple(feature.name for feature in extractor.features),
            truncation=self.settings.psi,
            label=self.settings.label,
            thumbnail=thumbnail,
            part_rows=part_rows,
            resolution=self.settings.resolution,
            head=head.fingerprint if head is not None and painted <= head.resolution else "",
            groups=self.settings.groups,
        )

    @property
    def samples(self) -> SampleStore:
        """The sample rows of this workspace."""
        from tlgan.samples import SampleStore

        return SampleStore(self._samples_lie_in, self.recipe)

    @property
    def _samples_lie_in(self) -> Place:
        bucket = bucket_of(self.path)
        return place_of(to_read(self.path, SAMPLES_FOLDER) if bucket is None else f"{bucket}/{SAMPLES_FOLDER}")

    def face(self, seed: int | None = None, *, latent: np.ndarray | None = None, png: str | Path | None = None) -> Face:
        """A face and its sliders: draw number `seed`, a latent of shape (d,) in the space of the axes, or one saved as PNG,
        with its sliders as they stood.

        Raises TlganError where not exactly one of them is given, and where the PNG holds no face of this generator.
        """
        from tlgan.editing import Edit, Face
        from tlgan.editing.state import from_json, read_png

        if sum(given is not None for given in (seed, latent, png)) != 1:
            raise TlganError("a face starts from one thing: give a seed, a latent or a png")
        if png is not None:
            return Face(self.canvas, from_json(read_png(_read(Path(png))), self.axes))
        start = self.canvas.start(seed) if seed is not None else np.asarray(latent, dtype=np.float32)
        return Face(self.canvas, Edit(start, seed=seed))

    def add(self, extractor: str | Extractor | Callable[..., Any] = "", **options: Any) -> Workspace:
        """This workspace with the sliders of one extractor more, from the samples that are there; this one stays as it is.

        ``options``: as for `add_extractor`. The folder is changed in one step, at the end.
        """
        from .add import add_extractor

        return add_extractor(self, extractor, **options).workspace

    def report(self, *, face: Face | None = None, language: str = "", progress: ProgressLike = None) -> Path:
        """Write `report.html` anew, with where `face` stands in every distribution; its path.

        ``language``: "en", or a code such as "zh"; "" for that of the report before. Raises TlganError for one that there is none of.
        """
        from .report import report

        return report(self, face=face, language=language, progress=progress)

    def editor(self, seed: int | None = None, *, latent: np.ndarray | None = None) -> Face:
        """Deprecated: `face` is the same."""
        warnings.warn("Workspace.editor is now Workspace.face", DeprecationWarning, stacklevel=2)
        return self.face(seed, latent=latent)

    def editor_from_png(self, path: str | Path) -> Face:
        """Deprecated: `face(png=path)` is the same."""
        warnings.warn("Workspace.editor_from_png is now Workspace.face(png=...)", DeprecationWarning, stacklevel=2)
        return self.face(png=path)

    def invert(
        self,
        photograph: str | Path,
        *,
        face: int | None = None,
        box: tuple[float, float, float] | None = None,
        alignment: str | None = None,
        plan: Plan | None = None,
        inversion: str | Path | None = None,
        inverter: str = "both",
        tune: bool = False,
        watch: Callable[[Found], object] | None = None,
        note: Callable[[str], None] = lambda words: None,
    ) -> PhotographEditor:
        """The sliders of a photograph: its face is found and inverted, see `tlgan.photographs`.

        ``face`` counts from 1, from left to right, where several are in it; ``box``: the square (left, top, side) in
        pixels, for what is no face; ``alignment``: how the generator's training pictures were cropped around a face, "ffhq" or
        "celeba", None for what the list of known generators says; ``plan``: how long to optimise; ``tune``: tune the generator
        around this photograph for longer, and keep what was found in the workspace, which is used from then on; ``inversion``: a file of
        `save_inversion`, in place of all that; ``inverter``: a name of `hooks.INVERTERS`. ``watch(found)`` is called at every step; a KeyboardInterrupt from it ends with the best so far.
        ``note`` is called with each decision. Raises TlganError with what is missing.
        """
        from tlgan import photographs
        from tlgan.generators import known_model

        read = photographs.read_photograph(photograph)
        if inversion is not None:
            return photographs.PhotographEditor.of(self.canvas, read, photographs.load_inversion(inversion))
        if alignment is None:
            known = known_model(self.settings.generator)
            alignment = known.alignment if known is not None else ""
            if not alignment and box is None:
                note(
                    "how this generator's training pictures were cropped is not known, so the square in the middle is taken: "
                    "for faces say ffhq or celeba, or give the square"
                )
        square, hull = photographs.place(read, alignment if box is None else "", face=face, box=box, note=note)
        if tune and not photographs.tunable_of(self.generator):
            raise TlganError(f"{self.generator.name} has no weights that can be tuned: invert without tuning")
        plan, found = plan or (photographs.TUNED if tune else photographs.Plan()), None
        tuned = self.path / "photographs" / f"{read.sha256[:16]}.safetensors"
        if not tune and tuned.exists():
            before = photographs.load_inversion(tuned)
            if np.allclose(before.square, square, atol=1e-3 * photographs.side_of(square)):
                note(f"what was tuned to this photograph earlier is used: {tuned}")
                return photographs.PhotographEditor.of(self.canvas, read, before)
        networks = photographs.networks_of(self.canvas, alignment if hull is not None else "", note)
        try:
            for found in photographs.inverting(
                self.canvas, read, square, hull, plan, inverter=inverter, networks=networks
            ):
                if watch is not None:
                    watch(found)
        except KeyboardInterrupt:
            if found is None:
                raise
            note(f"stopped at step {found.step} of {found.steps}: the best so far is kept")
        if found is None:
            raise TlganError("a plan of no steps finds nothing where there is no encoder: expected at least 1 step")
        kept = photographs.inversion_of(self.canvas, read, found, square, hull, alignment)
        if tune:
            tuned.parent.mkdir(exist_ok=True)
            kept.save(tuned)
        return photographs.PhotographEditor.of(self.canvas, read, kept)

    @property
    def foreign(self) -> dict[str, str]:
        """A line for each extractor, by its name, that these pictures look like nothing to."""
        from .terms import foreign

        return foreign(self.settings)

    @property
    def about(self) -> dict[str, str]:
        """What the networks are made of, their terms and known biases: terms and words for people."""

        from .terms import about

        return about(self.settings, self.axes)

    def summary(self) -> dict[str, Any]:
        """What the workspace holds, as plain values: settings, number of samples, quality of every slider."""
        axes, intervals = self.axes, self.axes.r2_interval
        sliders = [
            {
                "name": feature.name,
                "label": feature.label,
                "r2": float(axes.r2[row]),
                "r2_interval": None
                if intervals is None
                else [None if np.isnan(end) else float(end) for end in intervals[row]],
                "auc": None if np.isnan(axes.auc[row]) else float(axes.auc[row]),
                "agreement": float(axes.agreement[row]),
                "weak": bool(axes.weak[row]),
            }
            for row, feature in enumerate(axes.features)
        ]
        return {
            "workspace": str(self.path),
            "generator": self.settings.generator,
            "fingerprint": axes.generator,
            "space": axes.space,
            "extractors": list(self.settings.extractors),
            "samples": axes.samples,
            "mean_r2": None if axes.mean_r2 is None else list(axes.mean_r2),
            "base": list(axes.base),
            "sliders": sliders,
        }

    def nearest(self, wanted: Mapping[str, float], n: int = 24) -> list[tuple[int, np.ndarray]]:
        """Sampled faces nearest to wanted places, in population sd: (row index, latent float32 [d]), nearest first."""
        rows = self.axes.indices(wanted)
        target = np.array(list(wanted.values()), dtype=np.float32)

        def distance(values: np.ndarray) -> np.ndarray:
            return np.asarray(((self.axes.positions(values)[:, rows] - target) ** 2).sum(axis=1))

        return self.samples.nearest(distance, n)

    def check_judge(self, name: str) -> None:
        """Raise TlganError where an extractor, by name or reference, is one of those that the axes were found by."""
        if name in self.settings.extractors:
            raise TlganError(
                f"{name} found the axes of {self.path}, so it can't judge edits along them: give another extractor as --judge"
            )

    def save_settings(self, step: Step) -> None:
        """Write `tlgan.toml`, as a part of `step`."""
        with replacing(step.path(SETTINGS_FILE)) as temporary:
            temporary.write_text(self.settings.to_toml(), encoding="utf-8")

    def refreshed(self) -> Workspace:
        """The folder as other writers have made it since it was opened; networks that stay are not loaded again."""
        settings, extractor, loaded = open_workspace(self.path).settings, self.__dict__.get("extractor"), self.loaded
        if extractor is not None and settings.extractors != self.settings.extractors:
            loaded = loaded | dict(zip(self.settings.extractors, extractor.parts, strict=True))
            extractor = None
        return self.changed(settings=settings, extractor=extractor, loaded=loaded, axes=None)


def open_workspace(
    path: str | Path,
    *,
    generator: Generator | None = None,
    extractors: Sequence[Extractor | Callable[..., Any]] = (),
    trust: bool = False,
    fetch: bool = False,
    progress: ProgressLike = None,
) -> Workspace:
    """Open a workspace folder.

    ``generator``, ``extractors``: loaded ones (or functions) in place of those that `tlgan.toml` names, for what only exists in
    memory; ``trust``: what the workspace names may be code (TorchScript, Python functions); ``fetch``: it may be fetched,
    wherever on the internet it is. Networks are loaded when they are first needed. Raises TlganError where the folder is no workspace, or what is given is not what it was
    made with.
    """
    path = on_this_machine(path)
    file = held(path, SETTINGS_FILE)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = "that folder has no tlgan.toml" if path.is_dir() else "there is no such folder"
        from tlgan.generators.loading import names_generator

        given, name = "GENERATOR", str(path)
        if not path.is_dir() and (bare := names_generator(name)):
            hint, given = "it names a generator", re.sub(r"^https:/\b", "https://", name)
            name = bare
        raise TlganError(
            f"{path} is not a workspace ({hint}): make one with `tlgan discover {shlex.quote(given)} -o {shlex.quote(name)}`"
        ) from error
    except NotADirectoryError as error:
        helps = f"make one of it first, `tlgan discover {shlex.quote(str(path))} -o {shlex.quote(path.stem or 'NAME')}`"
        if path.name == SETTINGS_FILE:
            helps = f"name the folder, {shlex.quote(str(path.parent))}"
        raise TlganError(f"{path} is a file, not the folder of a workspace: {helps}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TlganError(f"{file} can't be read: {error}") from error
    settings = Settings.from_toml(text, str(file))
    loaded = {}
    if extractors:
        from tlgan.extractors import load_extractor

        loaded = {made.name: made for made in map(load_extractor, extractors)}
    for name in loaded:
        if name not in settings.extractors:
            raise TlganError(
                f"workspace {path} was made with extractors {', '.join(settings.extractors)}, not with {name}: give "
                "those, or add the new one (`add`)"
            )
    told = as_progress(progress)
    opened = Workspace(path, settings, loaded=loaded, trust=trust, fetch=fetch, named_by=file, progress=told)
    return opened if generator is None else opened.changed(generator=opened.prepared(generator))


def on_this_machine(path: str | Path) -> Path:
    """The folder of a workspace. Of one on an object store, a folder that stands for it: its small files are copied, the
    samples stay where they are, and writers bring back what they change."""
    return mirror(path, cache_dir(), without=SAMPLES_FOLDER)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path} can't be read: {error.strerror or error}") from error


@contextmanager
def writing_into(path: Path, says: Callable[[str], None] = lambda words: None) -> Iterator[None]:
    """Be the only writer of the workspace in `path`. Others are waited for, and `says` tells for whom; what a writer
    that was cut off left is finished or removed first. Readers need none of this: see `Step`."""
    with locked(path / LOCK, says):
        finish(path)
        for name in ("", SAMPLES_FOLDER, EXTRACTORS_FOLDER):
            sweep(path / name)
        yield
        upload(path, without=SAMPLES_FOLDER)


def load_extractors(
    refs: Sequence[str], *folders: Path, trust: bool = False, loaded: Mapping[str, Extractor] | None = None
) -> CombinedExtractor:
    """Several extractors as one; files are looked for in the `folders`, the first before the others; those in `loaded`
    are taken from there."""
    from tlgan.extractors.combined import CombinedExtractor
    from tlgan.extractors.registry import load_stored

    known = loaded or {}
    return CombinedExtractor([known.get(ref) or load_stored(located(ref, *folders), trust=trust) for ref in refs])


def recorded_extractors(settings: Settings, extractor: CombinedExtractor) -> Settings:
    """The settings with the fingerprints of the extractors in use."""
    known = ((ref, part.fingerprint) for ref, part in zip(settings.extractors, extractor.parts, strict=True))
    return replace(settings, extractor_sha256=tuple((ref, sha256) for ref, sha256 in known if sha256))


def from_anywhere(ref: str) -> str:
    """A generator's reference that is the same from any working directory."""
    local = Path(ref)
    return str(local.resolve()) if local.is_file() else ref


def settle(settings: Settings, generator: Generator, feature_names: tuple[str, ...]) -> Settings:
    """Settings with every open choice made: fingerprint, space, base axes. Raises TlganError for an impossible one."""
    from tlgan.generators import known_model

    space = settings.space or ("w" if "w" in generator.spaces else "z")
    if space not in generator.spaces:
        choices = " or ".join(map(repr, generator.spaces))
        raise TlganError(f"{generator.name} has no axes in space {space!r}: choose {choices}")
    if settings.resolution is not None and not 1 <= settings.resolution <= generator.resolution:
        raise TlganError(
            f"resolution {settings.resolution} is out of range: {generator.name} paints 1 to {generator.resolution} px"
        )
    if settings.groups and (space != "w+" or settings.groups[-1] >= generator.num_ws):
        raise TlganError(
            f"groups of layers {list(settings.groups)} don't fit space {space!r} of {generator.name}: they are for w+, and "
            f"it has {generator.num_ws} layers"
        )
    head = getattr(generator, "head", None)
    resolution = settings.resolution or (head.resolution if head is not None else None)
    base = settings.base
    if base is None:
        base = tuple(name for name in DEFAULT_BASE if name in feature_names)
    known = known_model(settings.generator)
    psi = settings.truncation if settings.truncation is not None else known.truncation if known else 1.0
    return replace(
        settings,
        generator=from_anywhere(settings.generator),
        sha256=generator.fingerprint,
        space=space,
        truncation=psi,
        base=base,
        resolution=resolution,
        options=dict(settings.options or getattr(generator, "given", {})),
    )


def _best_device() -> str:
    """Where to paint: the first GPU that torch can use, else the processor."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
