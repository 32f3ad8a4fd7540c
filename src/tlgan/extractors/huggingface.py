"""Hugging Face models as extractors: image classifiers (`hf:owner/repo`), and what they share with text prompts.

Weights are taken as safetensors only and no code of a repository is ever run. Pictures are scaled as the model's own
`preprocessor_config.json` says, but with tensor operations, so that these extractors can be differentiated; and whole,
not cropped at the centre: a generator's pictures are framed already.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.io import consent, hub
from tlgan.io.foreign import json_of

from .base import Extractor, Feature, identity
from .description import ADDED, Description, Head, feature_name, readable, unique_names
from .images import prepare

REPOSITORY = re.compile(r"hf:(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
BATCH = 32  # pictures at a time: these networks are large
_WANTED = ("*.json", "*.txt", "*.model", "model*.safetensors")


@dataclass(frozen=True)
class Scaling:
    """``size``: side in pixels; pictures in [0, 1] times ``factor``, less ``mean``, over ``sd`` [3]."""

    size: int
    factor: float
    mean: tuple[float, ...]
    sd: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """[n, C, H, W] in [-1, 1] -> [n, 3, size, size], differentiable."""
        pictures = (prepare(images, self.size) + 1) / 2 * self.factor
        mean, sd = (torch.tensor(entry, device=images.device).view(1, -1, 1, 1) for entry in (self.mean, self.sd))
        return (pictures - mean) / sd


class Classifier(Extractor):
    """An image classifier of `transformers` as an extractor that can be differentiated."""

    differentiable = embeds = True
    batch = BATCH

    def __init__(self, model: nn.Module, scaling: Scaling, heads: Sequence[Head], ref: str, fingerprint: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.scaling = scaling
        self.heads = tuple(heads)
        self.features = tuple(head.feature for head in heads)
        self.input_size = scaling.size
        self.name = model_name(ref, fingerprint)
        self.description = Description(kind="classifier", model=ref, heads=self.heads)
        self.fingerprint = identity(fingerprint, Description(kind="classifier", heads=self.heads).to_toml())

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, f], differentiable: the logit of each probability, each quantity as it is."""
        raw: Tensor = self.model(pixel_values=self.scaling(images)).logits
        return torch.stack([self._column(head, raw) for head in self.heads], dim=1)

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], differentiable: the pooled output of the model below its classifier."""
        return pooled(self.model.base_model(pixel_values=self.scaling(images)))  # type: ignore[operator]

    @staticmethod
    def _column(head: Head, raw: Tensor) -> Tensor:
        if head.activation != "softmax":
            return raw[:, head.column]
        others = torch.cat([raw[:, : head.column], raw[:, head.column + 1 :]], dim=1)
        return raw[:, head.column] - others.logsumexp(dim=1)  # the logit of a softmax's class


def load_classifier(ref: str | Path, *, heads: Sequence[Head] | None = None) -> Classifier:
    """The image classifier at `ref`: `hf:owner/repo[@revision]` or a folder that holds one.

    Its labels become features: probabilities of one softmax, of a sigmoid each where the model says multi-label, or
    quantities where it says regression. Raises TlganError for a repository that is no image classifier.
    """
    transformers = import_transformers(str(ref))
    folder = folder_of(ref)
    try:
        described = json_of((folder / "config.json").read_text("utf-8"))
        if not any("ImageClassification" in name for name in described.get("architectures") or ()):
            raise ValueError(f"it is a {', '.join(described.get('architectures') or ()) or 'model of no named kind'}")
        model = transformers.AutoModelForImageClassification.from_pretrained(folder, **SAFE)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise TlganError(
            f"{ref} is not an image classifier that transformers can load ({line(error)}); a text-image model is named "
            'with --text "..." and --model'
        ) from error
    if heads is None:
        heads = _heads(model.config)
    return Classifier(model, scaling_of(folder, model.config), heads, str(ref), folder_fingerprint(folder))


#: How every model is loaded: no code from the repository, no pickles, no network behind the caller's back.
SAFE: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True, "local_files_only": True}


def import_transformers(ref: str) -> Any:
    """The `transformers` package, or TlganError saying how to get it."""
    try:
        import transformers
    except ImportError as error:
        raise TlganError(f"{ref} needs transformers: pip install 'tlgan[text]'") from error
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return transformers


def folder_of(ref: str | Path) -> Path:
    """The folder of a model on this disk; a repository is fetched once (its JSON, its words and its safetensors)."""
    text = str(ref)
    if not text.startswith("hf:"):
        if not (Path(text) / "config.json").is_file():
            raise TlganError(
                f"{text} holds no config.json: expected a folder with a Hugging Face model, or hf:owner/repo"
            )
        return Path(text)
    match = REPOSITORY.fullmatch(text)
    if match is None:
        raise TlganError(f"{text} is not understood: expected hf:owner/repo or hf:owner/repo@revision")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    offline = os.environ.get("TLGAN_OFFLINE", "0") not in ("", "0")

    def snapshot(here: bool) -> str:
        return str(
            snapshot_download(
                match["repo"],
                revision=match["revision"],
                allow_patterns=list(_WANTED),
                cache_dir=hub.cache_dir() / "hf",
                endpoint=os.environ.get("HF_ENDPOINT"),
                local_files_only=here,
            )
        )

    if consent.by_file() and not offline:
        with contextlib.suppress(OSError, ValueError):
            found = snapshot(here=True)
            if any(Path(found).glob("model*.safetensors")) and not _damaged(Path(found)):
                return Path(found)
        consent.check(text)
    try:
        found = snapshot(here=offline)
        if _damaged(Path(found)):
            found = snapshot(here=offline)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise TlganError(
            f"{text} can't be fetched: {line(error)}; check the name, or fetch it where there is a network and give the "
            "path of its folder"
        ) from error
    return Path(found)


def _damaged(folder: Path) -> bool:
    """Whether files of a snapshot do not hold what they were fetched as; they are told of and removed.

    The cache of huggingface_hub keeps a file under what the hub says of it: its sha256, or git's SHA-1 where it is small.
    Where a system has no links there are no such names, and the fingerprint that a workspace keeps is the only check.
    """
    found = False
    for path in (path for pattern in _WANTED for path in folder.glob(pattern)):
        blob = path.resolve()
        kind = {64: "sha256", 40: "sha1"}.get(len(blob.name))
        if blob == path or kind is None:
            continue
        digest = hashlib.new(kind, usedforsecurity=kind == "sha256")
        if kind == "sha1":
            digest.update(f"blob {blob.stat().st_size}\0".encode())
        with blob.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
        if digest.hexdigest() != blob.name:
            logging.getLogger(__name__).warning("%s was damaged: it is thrown away", path)
            blob.unlink()
            found = True
    return found


def scaling_of(folder: Path, config: Any) -> Scaling:
    """How the model wants its pictures, from its `preprocessor_config.json`; CLIP's and ImageNet's numbers are there."""
    try:
        said = json_of((folder / "preprocessor_config.json").read_text("utf-8"))
        said = said.get("image_processor", said)
    except FileNotFoundError:
        said = {}
    except (OSError, ValueError, AttributeError) as error:
        raise TlganError(f"{folder / 'preprocessor_config.json'} can't be read: {error}") from error
    vision = getattr(config, "vision_config", config)
    side = getattr(vision, "image_size", None) or _side(said.get("crop_size")) or _side(said.get("size")) or 224
    side = side[0] if isinstance(side, (list, tuple)) else side
    rescaled = bool(said.get("do_rescale", True))
    normalised = bool(said.get("do_normalize", True))
    factor = 255.0 * float(said.get("rescale_factor", 1 / 255)) if rescaled else 255.0
    mean = tuple(said.get("image_mean") or (0.5, 0.5, 0.5)) if normalised else (0.0, 0.0, 0.0)
    sd = tuple(said.get("image_std") or (0.5, 0.5, 0.5)) if normalised else (1.0, 1.0, 1.0)
    return Scaling(int(side), factor, mean, sd)


def model_name(ref: str | Path, fingerprint: str) -> str:
    """A short name that changes with the model: the repository's name and eight digits of its fingerprint."""
    stem = str(ref).partition("@")[0].rstrip("/").rpartition("/")[2]
    return f"{feature_name(stem)}-{fingerprint[:8]}"


def folder_fingerprint(folder: Path) -> str:
    """sha256 over the names and bytes of all files of a model that may be read: weights, settings and words."""
    files = sorted({path for pattern in _WANTED for path in folder.glob(pattern) if path.is_file()})
    return identity(*(f"{path.name} {hub.sha256_of(path)}" for path in files))


def pooled(output: Any) -> Tensor:
    """[n, e] from what a vision model returns: its pooled output, or the mean over places."""
    found = getattr(output, "pooler_output", None)
    if found is None:
        found = output.last_hidden_state
        found = found.mean(dim=1) if found.ndim == 3 else found
    flat: Tensor = found.flatten(2).mean(dim=2) if found.ndim == 4 else found
    return flat.float()


def line(error: Exception) -> str:
    """The first words of an error, on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _side(size: Any) -> int:
    if isinstance(size, dict):
        return int(size.get("height") or size.get("shortest_edge") or 0)
    return int(size) if isinstance(size, (int, float)) else 0


def _heads(config: Any) -> tuple[Head, ...]:
    labels = [str(config.id2label[column]) for column in range(config.num_labels)]
    problem = getattr(config, "problem_type", None)
    if problem == "regression":
        return unique_names(
            [Head(_described(word, "quantity"), column=i) for i, word in enumerate(labels)], "the model"
        )
    if problem == "multi_label_classification":
        heads = [Head(_described(word), column=i, activation="sigmoid") for i, word in enumerate(labels)]
        return unique_names(heads, "the model")
    if len(labels) == 2:  # two mirrored sliders would be one too many
        feature = Feature(feature_name(labels[1]), "probability", "", readable(labels[1]), labels[0], labels[1], ADDED)
        return (Head(feature, column=1, activation="softmax"),)
    heads = [Head(_described(word), column=i, activation="softmax") for i, word in enumerate(labels)]
    return unique_names(heads, "the model")


def _described(words: str, kind: Any = "probability") -> Feature:
    return Feature(feature_name(words), kind, label=words[:1].upper() + words[1:], group=ADDED)
