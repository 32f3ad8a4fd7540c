"""Hugging Face models with random weights in the real format, served by a hub of our own."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.extractors.text import NEUTRAL, load_prompts, parse_prompt

transformers = pytest.importorskip("transformers")

PREPROCESSOR = {
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
    "do_rescale": True,
    "rescale_factor": 1 / 255,
}


def save_classifier(folder: Path, labels: list[str], **config: object) -> torch.nn.Module:
    torch.manual_seed(0)
    settings = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        image_size=32,
        **config,
    )
    model = transformers.ResNetForImageClassification(settings).eval()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR | {"size": {"height": 32, "width": 32}}))
    return model


def save_clip(folder: Path) -> torch.nn.Module:
    """A tiny CLIP whose words are single letters."""
    torch.manual_seed(1)
    letters = [chr(97 + i) for i in range(26)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    end = len(tokens) - 1
    text = {**small, "vocab_size": len(tokens), "bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
    config = transformers.CLIPConfig(
        text_config={**text, "max_position_embeddings": 20},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR | {"size": {"shortest_edge": 32}}))
    return model


def expected_pixels(images: torch.Tensor) -> torch.Tensor:
    mean, sd = (torch.tensor(PREPROCESSOR[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    return ((images + 1) / 2 - mean) / sd


def pictures(n: int = 3, side: int = 32) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A local hub over `folder/owner/repo`; gives (folder, what was asked for)."""
    root, asked = tmp_path / "hub", []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None: ...

        def do_HEAD(self) -> None:
            self.do_GET(head=True)

        def do_GET(self, head: bool = False) -> None:
            path = self.path.partition("?")[0].strip("/")
            asked.append(path)
            if path.startswith("api/models/"):
                repo = "/".join(path.split("/")[2:4])
                files = sorted(p.name for p in (root / repo).glob("*"))
                body = {"id": repo, "modelId": repo, "sha": "1" * 40, "siblings": [{"rfilename": f} for f in files]}
                if path.split("/")[4:5] == ["tree"]:
                    body = [{"type": "file", "path": f, "size": 1, "oid": "0" * 40} for f in files]  # type: ignore[assignment]
                self.answer(200 if files else 404, json.dumps(body).encode(), head)
                return
            owner, repo, _, _, name = path.split("/", 4)
            file = root / owner / repo / name
            self.answer(200, file.read_bytes(), head) if file.is_file() else self.answer(404, b"", head)

        def answer(self, status: int, body: bytes, head: bool) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", "1" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if not head:
                self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TLGAN_OFFLINE", raising=False)
    yield root, asked
    server.shutdown()
    server.server_close()


def test_a_classifier_from_the_hub(hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, asked = hub
    model = save_classifier(root / "someone" / "moods", ["happy", "sad", "calm"])
    (root / "someone" / "moods" / "modeling_evil.py").write_text("raise SystemExit('executed')")
    extractor = load_extractor("hf:someone/moods")
    assert extractor.differentiable
    assert [feature.name for feature in extractor.features] == ["happy", "sad", "calm"]
    with torch.no_grad():
        wanted = model(pixel_values=expected_pixels(pictures())).logits.softmax(dim=1)
    torch.testing.assert_close(extractor.extract(pictures()), wanted, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(extractor.logits(pictures()).sigmoid(), wanted, atol=1e-4, rtol=1e-3)
    assert extractor.embedding(pictures()).shape == (3, 16)
    assert not any("evil" in path and "resolve" in path for path in asked)
    monkeypatch.setenv("TLGAN_OFFLINE", "1")
    assert load_extractor("hf:someone/moods").features == extractor.features


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_damaged_snapshot_is_noticed_and_fetched_again(
    hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    root, asked = hub
    save_classifier(root / "someone" / "moods", ["happy", "sad", "calm"])
    first = load_extractor("hf:someone/moods")
    (file,) = (tmp_path / "cache" / "hf").rglob(f"snapshots/*/{name}")
    whole = file.read_bytes()
    file.write_bytes(whole[:-10] + bytes(10))
    asked.clear()
    again = load_extractor("hf:someone/moods")
    assert file.read_bytes() == whole
    assert again.fingerprint == first.fingerprint
    assert [record.getMessage() for record in caplog.records] == [f"{file} was damaged: it is thrown away"]
    assert any(path.endswith(name) and "resolve" in path for path in asked)
    file.write_bytes(whole[:-10] + bytes(10))
    monkeypatch.setenv("TLGAN_OFFLINE", "1")
    with pytest.raises(TlganError):
        load_extractor("hf:someone/moods")


def test_kinds_of_classifiers(tmp_path: Path) -> None:
    multi = save_classifier(tmp_path / "multi", ["Hat", "Glasses"], problem_type="multi_label_classification")
    extractor = load_extractor(str(tmp_path / "multi"))
    with torch.no_grad():
        wanted = multi(pixel_values=expected_pixels(pictures())).logits.sigmoid()
    torch.testing.assert_close(extractor.extract(pictures()), wanted, atol=1e-4, rtol=1e-3)
    save_classifier(tmp_path / "number", ["beauty"], problem_type="regression")
    assert load_extractor(str(tmp_path / "number")).features[0].kind == "quantity"
    save_classifier(tmp_path / "two", ["bare", "hat"])
    (feature,) = load_extractor(str(tmp_path / "two")).features
    assert (feature.name, feature.low) == ("hat", "bare")


def test_a_description_brings_a_classifier_back(tmp_path: Path) -> None:
    save_classifier(tmp_path / "model", ["happy", "sad", "calm"])
    first = load_extractor(str(tmp_path / "model"))
    (tmp_path / "moods.toml").write_text(first.description.to_toml())  # type: ignore[attr-defined]
    again = load_extractor(str(tmp_path / "moods.toml"))
    assert again.features == first.features
    torch.testing.assert_close(again.extract(pictures()), first.extract(pictures()))


def test_sentences_against_each_other(hub) -> None:
    root, _ = hub
    model = save_clip(root / "someone" / "clip")
    extractor = load_prompts(["smiling face | frowning face", "hat"], "hf:someone/clip")
    assert [feature.name for feature in extractor.features] == ["smiling_face", "hat"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(root / "someone" / "clip")
    sentences = ["smiling face", "frowning face", "hat", NEUTRAL]
    words = tokenizer(sentences, padding=True, truncation=True, max_length=20, return_tensors="pt")
    with torch.no_grad():
        scores = model(pixel_values=expected_pixels(pictures()), **words).logits_per_image  # [3, 4]
    wanted = torch.stack([scores[:, :2].softmax(1)[:, 0], scores[:, 2:].softmax(1)[:, 0]], dim=1)
    torch.testing.assert_close(extractor.extract(pictures()), wanted, atol=1e-3, rtol=1e-2)
    z = pictures().requires_grad_(True)
    extractor.logits(z)[:, 0].sum().backward()
    assert z.grad is not None
    assert float(z.grad.abs().max()) > 0


def test_a_sentence_is_a_reference_too(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip")
    direct = load_extractor("text:smiling | frowning", model=str(tmp_path / "clip"))
    (tmp_path / "t.toml").write_text(direct.description.to_toml())  # type: ignore[attr-defined]
    again = load_extractor(str(tmp_path / "t.toml"))
    assert (again.name, again.features) == (direct.name, direct.features)
    np.testing.assert_allclose(again.extract(pictures()), direct.extract(pictures()), atol=1e-6)


def test_prompts_are_parsed() -> None:
    prompt = parse_prompt("A person wearing a hat | a bareheaded person")
    assert (prompt.feature.name, prompt.feature.low) == ("a_person_wearing_a_hat", "a bareheaded person")
    assert parse_prompt("smiling").against == NEUTRAL
    for bad in ("", "| x", "x |", "!!"):
        with pytest.raises(TlganError):
            parse_prompt(bad)


def test_what_is_no_such_model(hub, tmp_path: Path) -> None:
    root, _ = hub
    with pytest.raises(TlganError, match="can't be fetched") as caught:
        load_extractor("hf:someone/nothing")
    assert "\n" not in str(caught.value)
    save_clip(root / "someone" / "clip2")
    with pytest.raises(TlganError, match=r"not an image classifier|--text"):
        load_extractor("hf:someone/clip2")
    save_classifier(tmp_path / "plain", ["a", "b", "c"])
    with pytest.raises(TlganError, match=r"text-image model|pictures and words"):
        load_prompts("smiling", str(tmp_path / "plain"))
    with pytest.raises(TlganError, match="not understood"):
        load_extractor("hf:someone")
    with pytest.raises(TlganError, match="same name"):
        load_prompts(["a hat", "A hat!"], str(root / "someone" / "clip2"))


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    save_classifier(tmp_path / "m", ["a", "b", "c"])
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(TlganError):
        load_extractor(str(tmp_path / "m"))
