"""A sentence as a feature: zero-shot, by a model that knows pictures and words (CLIP, SigLIP).

A sentence alone says little, since every picture fits some words better than others whatever it shows; so each is
measured against another one, its opposite where there is one ("smiling | frowning") and a neutral sentence where
there is none. The logit is the difference of the two similarities on the model's own scale, as in the softmax that such
a model is trained with (Radford et al., 2021).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tlgan.errors import TlganError

from .base import Extractor, Feature, identity
from .description import ADDED, Description, Prompt, feature_name
from .huggingface import (
    BATCH,
    SAFE,
    Scaling,
    folder_fingerprint,
    folder_of,
    import_transformers,
    line,
    model_name,
    scaling_of,
)

DEFAULT_MODEL = "hf:openai/clip-vit-base-patch32"
NEUTRAL = "a photo of a person"


class TextPrompts(Extractor):
    """Sentences as probabilities; an extractor that can be differentiated."""

    differentiable = embeds = True
    batch = BATCH

    def __init__(self, model: _TextImageModel, prompts: Sequence[Prompt]) -> None:
        self.model = model
        self.prompts = tuple(prompts)
        self.features = tuple(prompt.feature for prompt in prompts)
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise TlganError(f"two sentences make the same name ({', '.join(names)}): word one of them otherwise")
        self.input_size = model.scaling.size
        text = "\n".join(f"{p.text}|{p.against}" for p in prompts)
        self.name = f"text-{hashlib.sha256((model.name + text).encode()).hexdigest()[:8]}"
        self.description = Description(kind="text", model=model.ref, prompts=self.prompts)
        self.fingerprint = identity(model.fingerprint, Description(kind="text", prompts=self.prompts).to_toml())
        towards = model.embed_text([p.text for p in prompts]) - model.embed_text([p.against for p in prompts])
        self._towards = towards * model.scale  # (f, e)

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, f], differentiable."""
        return self.embedding(images) @ self._towards.T

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, e], of length one, differentiable."""
        return self.model.embed_images(images)


class _TextImageModel:
    """The two towers of one model."""

    def __init__(self, model: Any, tokenizer: Any, scaling: Scaling, ref: str, fingerprint: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.scaling = scaling
        self.ref, self.name, self.fingerprint = ref, model_name(ref, fingerprint), fingerprint
        self.scale = float(model.logit_scale.detach().exp()) if hasattr(model, "logit_scale") else 100.0

    def embed_images(self, images: Tensor) -> Tensor:
        return _unit(self.model.get_image_features(pixel_values=self.scaling(images)))

    def embed_text(self, sentences: Sequence[str]) -> Tensor:
        config = getattr(self.model.config, "text_config", self.model.config)
        length = getattr(config, "max_position_embeddings", 64)
        # SigLIP was trained with every sentence padded to its full length; CLIP reads up to the end either way.
        words = self.tokenizer(
            list(sentences), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        given = {key: words[key] for key in ("input_ids", "attention_mask") if key in words}
        with torch.no_grad():
            return _unit(self.model.get_text_features(**given))


def load_prompts(prompts: Sequence[Prompt | str] | str, model: str = "") -> TextPrompts:
    """Sentences as an extractor: each "something", or "something | its opposite".

    ``model``: `hf:owner/repo` or a folder with a text-image model of `transformers` (CLIP's base model by default).
    Raises TlganError where the model can't be had, or is no such model.
    """
    given = [prompts] if isinstance(prompts, str) else list(prompts)
    if not given:
        raise TlganError('no sentence was given: expected one like "a person wearing a hat"')
    return TextPrompts(_load(model or DEFAULT_MODEL), [p if isinstance(p, Prompt) else parse_prompt(p) for p in given])


def parse_prompt(words: str) -> Prompt:
    """ "smiling | frowning" -> a prompt against its opposite; "smiling" -> one against a neutral sentence."""
    text, bar, against = (part.strip() for part in words.partition("|"))
    if not text or (bar and not against):
        raise TlganError(f'the sentence {words!r} is empty on one side: expected "smiling" or "smiling | frowning"')
    name = feature_name(text)
    label = text[:1].upper() + text[1:]
    feature = Feature(name, "probability", label=label, low=against, high=text if against else "", group=ADDED)
    return Prompt(text, against or NEUTRAL, feature)


@functools.lru_cache(maxsize=2)
def _load(ref: str) -> _TextImageModel:
    transformers = import_transformers(ref)
    folder: Path = folder_of(ref)
    try:
        model = transformers.AutoModel.from_pretrained(folder, **SAFE)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise TlganError(f"{ref} is not a text-image model that transformers can load: {line(error)}") from error
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise TlganError(
            f"{ref} is a {type(model).__name__}: expected a model of pictures and words, like CLIP or SigLIP"
        )
    return _TextImageModel(model, tokenizer, scaling_of(folder, model.config), ref, folder_fingerprint(folder))


def _unit(features: Any) -> Tensor:
    vectors: Tensor = features if isinstance(features, Tensor) else features.pooler_output
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
