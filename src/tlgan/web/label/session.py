"""One question about the pictures of a workspace: its pool, its clicks (kept on disk, one by one), and its end as a
slider.

The pool is the first samples of the workspace. Their embeddings are computed in the background, so that the first
picture is there at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.extractors import Feature, load_extractor
from tlgan.extractors.description import ADDED, feature_name
from tlgan.extractors.head import save_head
from tlgan.io.files import replacing, sweep, to_read, to_write
from tlgan.io.foreign import json_of
from tlgan.io.lock import LOCK, locked
from tlgan.io.step import PENDING, Step
from tlgan.provenance import Claim, encode
from tlgan.samples import Source, latents_of
from tlgan.samples.measure import pictures
from tlgan.workspace import EXTRACTORS_FOLDER, Workspace, located, open_workspace
from tlgan.workspace.workspace import writing_into

from .learner import ENOUGH, ENOUGH_OF_EACH, ClickLearner

if TYPE_CHECKING:
    from tlgan.extractors import Extractor
    from tlgan.workspace.add import Added

LABELS_FOLDER = "labels"
POOL = 3000
SHOWN = 6  # examples at either end
_LARGEST = 512  # pixels of a picture on the page
FALLBACK = "celeba40"


class LabelSession:
    """The clicks on one question. Every method may be called from any thread."""

    def __init__(
        self, workspace: Workspace | str | Path, question: str, *, name: str = "", extractor: str = "", pool: int = POOL
    ) -> None:
        """``question``: what a yes means, like "curly hair"; ``name``: the feature's, made from it by default;
        ``extractor``: whose embedding is read (the workspace's first that has one, else `celeba40`). Clicks made before
        are there again. Raises TlganError where there is such a slider already, or there are no samples."""
        self.workspace = workspace if isinstance(workspace, Workspace) else open_workspace(workspace)
        self.question = " ".join(question.split())
        if not self.question:
            raise TlganError('there is no question: expected one like "curly hair"')
        self.name = feature_name(name or self.question)
        if (self.workspace.path / PENDING).exists():
            with writing_into(self.workspace.path):  # what was cut off, perhaps this very slider, gets its place
                self.workspace = self.workspace.refreshed()
        if self.name in self.workspace.axes.names:
            raise TlganError(
                f"{self.workspace.path} has a slider {self.name!r} already: ask for something else, or give another --name"
            )
        self.file = self.workspace.path / LABELS_FOLDER / f"{self.name}.json"
        self.store = self.workspace.samples
        rows = min(self.store.rows(), pool)
        if rows < 2 * ENOUGH:
            raise TlganError(
                f"{self.workspace.path} has {rows} samples, too few to choose from: run `tlgan discover` first"
            )
        self.backbone_ref, self.backbone = self._backbone(extractor)
        self.source = Source.of(self.workspace.generator, self.store.recipe)
        tables = self.store.read([self.source.space], stop=rows)
        self.latents = np.concatenate([latents_of(table, self.source.space) for table in tables])
        self._lock = threading.RLock()
        self._looking = threading.Lock()
        self.learner = ClickLearner(np.full((rows, 1), np.nan, dtype=np.float32))
        self.order: list[int] = []  # rows in the order of their answers
        self._shown: tuple[int, bool] | None = None
        self.result: dict[str, Any] | None = None
        self._last = ""  # what the file of clicks held when it was read or written last
        self._restore()

    # -- looking -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Compute the pool's embeddings, part by part; what is done serves at once. Called in a thread of its own."""
        import torch

        with self._looking:
            done = 0
            for number in range(len(self.store.parts())):
                for images in pictures(self.workspace.generator, self.store, number, [self.backbone]):
                    if done >= len(self.latents):
                        return
                    with torch.no_grad():
                        rows = self.backbone.embedding(images).float().cpu().numpy()
                    self._learn_rows(done, rows[: len(self.latents) - done])
                    done += len(images)

    def _learn_rows(self, start: int, rows: np.ndarray) -> None:
        with self._lock:
            if self.learner.embeddings.shape[1] != rows.shape[1]:
                self.learner.embeddings = np.full((len(self.latents), rows.shape[1]), np.nan, dtype=np.float32)
            self.learner.embeddings[start : start + len(rows)] = rows

    def picture(self, row: int, side: int = _LARGEST) -> bytes:
        """Picture `row` of the pool, painted, as PNG of at most `side` pixels."""
        from tlgan.samples import thumbnails

        if not 0 <= row < len(self.latents):
            raise TlganError(f"there is no picture {row}: the pool has {len(self.latents)}")
        images = next(self.source.pictures(self.latents[row : row + 1]))
        return encode(thumbnails(images, side)[0].squeeze(), self._claim, sign=False)

    @property
    def _claim(self) -> Claim:
        generator = self.workspace.generator
        return Claim(generator=generator.name, generator_sha256=generator.fingerprint)

    # -- clicking ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that the page shows, as plain values."""
        with self._lock:
            if self._shown is None:
                self._shown = self.learner.next_row()
            yes, no = self.learner.counts
            estimate = self.learner.estimate()
            surest_yes, surest_no = self.learner.extremes(SHOWN)
            return {
                "question": self.question,
                "name": self.name,
                "workspace": self.workspace.name,
                "row": self._shown[0],
                "yes": yes,
                "no": no,
                "looked": int((~np.isnan(self.learner.embeddings[:, 0])).sum()),
                "pool": len(self.latents),
                "ready": self.learner.ready,
                "needed": {"each": ENOUGH_OF_EACH, "all": ENOUGH},
                "estimate": None if estimate is None else asdict(estimate),
                "examples": {"yes": surest_yes, "no": surest_no},
                "result": self.result,
            }

    def answer(self, row: int, yes: bool | None) -> dict[str, Any]:
        """Answer for the picture that is shown; None skips it. An answer for another picture is not taken."""
        with self._lock:
            self._open()
            if self._shown is None or row != self._shown[0]:
                return self.state()
            if yes is None:
                self.learner.skipped.add(row)
            else:
                self._keep([*self.order, row], {row: yes}, {row} if self._shown[1] else set())
                self.learner.answers[row] = yes
                self.order.append(row)
                if self._shown[1]:
                    self.learner.probes.add(row)
            self._shown = None
            return self.state()

    def undo(self) -> dict[str, Any]:
        """Take the last answer back and show its picture again."""
        with self._lock:
            self._open()
            if self.order:
                self._keep(self.order[:-1])
                row = self.order.pop()
                del self.learner.answers[row]
                self._shown = (row, row in self.learner.probes)
                self.learner.probes.discard(row)
            return self.state()

    def finish(self) -> dict[str, Any]:
        """Make the slider. Raises TlganError while there are too few clicks for one."""
        with self._lock:
            self._open()
            estimate = self.learner.estimate()  # first: it chooses how strongly the model is regularised
            model = self.learner.model()
            if not self.learner.ready or model is None:
                yes, no = self.learner.counts
                raise TlganError(
                    f"{yes} yes and {no} no are too few: at least {ENOUGH} clicks are needed, {ENOUGH_OF_EACH} of each"
                )
            label = self.question[:1].upper() + self.question[1:]
            feature = Feature(self.name, "probability", label=label, low="no", high="yes", group=ADDED)
            stored = f"{EXTRACTORS_FOLDER}/{self.name}.safetensors"

            def make(step: Step) -> str:
                save_head(step.path(stored), self.backbone_ref, self.backbone, feature, model.weight, model.bias)
                return stored

            added = self._add(make)
            self.workspace = added.workspace
            self.result = {
                "name": self.name,
                "clicks": len(self.learner.answers),
                "estimate": None if estimate is None else asdict(estimate),
                "r2": added.r2[0],
                "agreement": added.agreement[0],
                "weak": added.weak[0],
                "method": added.method,
                "why": added.why,
                "seconds": added.seconds,
            }
            return self.state()

    def strip(self, steps: int = 5, span: float = 2.0) -> bytes:
        """The new slider at work on one face, as one PNG. Raises TlganError before there is one."""
        if self.result is None:
            raise TlganError("there is no slider yet")
        row = np.concatenate(list(self.workspace.face(seed=7).strip(self.name, steps, span)), axis=1)
        return encode(row.squeeze(), self._claim, sign=False)

    # -- keeping -----------------------------------------------------------------------------------------------

    def _add(self, make: Callable[[Step], str]) -> Added:
        from tlgan.workspace.add import add_extractor

        return add_extractor(self.workspace, make=make)

    def _open(self) -> None:
        if self.result is not None:
            raise TlganError(f"the slider {self.name!r} is made: ask another question with `tlgan label`")

    def _backbone(self, ref: str) -> tuple[str, Extractor]:
        if ref:
            extractor = load_extractor(located(ref, self.workspace.path))
            if not extractor.embeds:
                raise TlganError(
                    f"{ref} gives no embedding to read a new feature from: leave it out, or name {FALLBACK}"
                )
            return ref, extractor
        for known, part in zip(self.workspace.settings.extractors, self.workspace.extractor.parts, strict=False):
            if part.embeds and not known.startswith(f"{EXTRACTORS_FOLDER}/"):
                return known, part
        return FALLBACK, load_extractor(FALLBACK)

    def _keep(self, order: list[int], answers: Mapping[int, bool] | None = None, probes: Collection[int] = ()) -> None:
        """Write the clicks on the rows of `order`, new ones among them, before they count."""
        known, probing = {**self.learner.answers, **(answers or {})}, {*self.learner.probes, *probes}
        clicks = [[row, known[row], row in probing] for row in order]
        text = json.dumps({"question": self.question, "extractor": self.backbone_ref, "clicks": clicks})
        folder = to_write(self.workspace.path, LABELS_FOLDER)
        with locked(folder / LOCK):
            sweep(folder)
            if self._saved() != self._last:
                raise TlganError(
                    f"the clicks in {self.file} were changed by another `tlgan label`: end this one and start it again, "
                    "to go on with all of them"
                )
            with replacing(self.file) as temporary:
                temporary.write_text(text, encoding="utf-8")
            self._last = text

    def _saved(self) -> str:
        """What is in the file of clicks; empty where there is none."""
        try:
            return to_read(self.workspace.path, f"{LABELS_FOLDER}/{self.file.name}").read_text("utf-8")
        except FileNotFoundError:
            return ""

    def _restore(self) -> None:
        try:
            self._last = self._saved()
            if not self._last:
                return
            saved = json_of(self._last)
            clicks = [(int(row), bool(yes), bool(probe)) for row, yes, probe in saved["clicks"]]
        except (OSError, ArithmeticError, ValueError, KeyError, TypeError) as error:
            raise TlganError(
                f"the clicks in {self.file} can't be read ({error}): move that file away to start anew"
            ) from error
        for row, yes, probe in clicks:
            if 0 <= row < len(self.latents) and row not in self.learner.answers:
                self.learner.answers[row] = yes
                self.order.append(row)
                if probe:
                    self.learner.probes.add(row)
