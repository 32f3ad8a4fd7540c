"""The verbs over HTTP, described once: as an OpenAPI document for tools, and as a page for people (no script, no other origin)."""

from __future__ import annotations

from html import escape
from typing import Any

from tlgan import __version__
from tlgan.editing import QUALITIES
from tlgan.editing.state import BY

from . import wire

_FACE = {"$ref": "#/components/schemas/Face"}
_PICTURES: dict[str, Any] = {"type": "array", "items": {"type": "string", "description": "data: URL of a WebP"}}
_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number", "nullable": True}}
_SIZE = {"type": "integer", "minimum": wire.SIZES[0], "maximum": wire.SIZES[1]}
_QUALITY = {"enum": list(QUALITIES)}
_ONE_OR_MIX = {"face": _FACE, "mix": {"$ref": "#/components/schemas/Mix"}, "quality": _QUALITY}

SCHEMAS: dict[str, Any] = {
    "Face": {
        "description": "A start (a seed, or a latent) and what is asked of it.",
        "type": "object",
        "properties": {
            "seed": {"type": "integer", "minimum": 0, "maximum": wire.SEEDS - 1},
            "latent": {"type": "string", "description": "base64 of little-endian float32 [d]; instead of a seed"},
            "photo": {"type": "string", "description": "name of a photograph that is held; instead of a seed"},
            "asked": {
                "type": "object",
                "additionalProperties": {"type": "number"},
                "description": "feature: wanted change in standard deviations over the population",
            },
            "locks": {"type": "array", "items": {"type": "string"}, "description": "features that must not change"},
            "soft": {
                "type": "object",
                "additionalProperties": {"type": "number"},
                "description": "feature: weight of a soft lock, over 0",
            },
            "exact": {"type": "boolean", "description": "look at the picture and correct"},
            "identity": {"type": "boolean", "description": "in exact mode, keep who it is too"},
            "reached": {
                "type": "object",
                "properties": {"latent": {"type": "string"}, "quality": _QUALITY, "by": {"enum": list(BY)}},
                "description": "the latent all of this was resolved to (base64 of float32): it is painted as it is",
            },
        },
    },
    "Mix": {
        "description": "A place on the walk from face a (0) to face b (1).",
        "type": "object",
        "required": ["a", "b", "at"],
        "properties": {"a": _FACE, "b": _FACE, "at": {"type": "number", "minimum": 0, "maximum": 1}},
    },
    "Measured": {
        "description": "Per feature, in standard deviations over the population: where the extractor sees the picture, "
        "where it sees the face without edits, the change the solve expects, and the part of the wishes granted.",
        "type": "object",
        "properties": {"measured": _NUMBERS, "own": _NUMBERS, "reached": _NUMBERS, "share": {"type": "number"}},
    },
    "Error": {"type": "object", "properties": {"error": {"type": "string"}}},
}

# verb: method, what it does, body or query, what comes back (a content type and a schema)
_JSON = "application/json"
VERBS: dict[str, tuple[str, str, dict[str, Any], str, dict[str, Any]]] = {
    "hello": ("POST", "The greeting of the websocket /live, or why it would not be given.", {}, _JSON, {}),
    "describe": ("GET", "The generator, its features with ranges and quality, groups, correlations.", {}, _JSON, {}),
    "random": ("GET", "The face of ?seed=, or of a random seed.", {}, _JSON, _FACE),
    "render": (
        "POST",
        "A picture of a face or of a mix that says what it is, with the state inside it.",
        _ONE_OR_MIX | {"state": {"type": "boolean", "description": "false leaves the state out"}},
        "image/png",
        {},
    ),
    "measure": (
        "POST",
        "What the extractor measures on it.",
        _ONE_OR_MIX,
        _JSON,
        {"$ref": "#/components/schemas/Measured"},
    ),
    "solve": ("POST", "The latent that an edit leads to.", _ONE_OR_MIX, _JSON, {}),
    "gallery": (
        "POST",
        "Small pictures of the faces of some seeds, or of the faces in the samples nearest to a wish.",
        {
            "seeds": {"type": "array", "items": {"type": "integer"}, "maxItems": wire.GALLERY},
            "wanted": {"type": "object", "additionalProperties": {"type": "number"}},
            "count": {"type": "integer", "minimum": 1, "maximum": wire.GALLERY},
            "size": _SIZE,
        },
        _JSON,
        {"type": "object", "properties": {"faces": {"type": "array", "items": {"type": "object"}}}},
    ),
    "strip": (
        "POST",
        "One slider of a face at several places.",
        {
            "face": _FACE,
            "feature": {"type": "string"},
            "asked": {"type": "array", "items": {"type": "number"}, "maxItems": wire.STRIP},
            "size": _SIZE,
            "quality": _QUALITY,
        },
        _JSON,
        {"type": "object", "properties": {"asked": _NUMBERS, "pictures": _PICTURES}},
    ),
    "film": (
        "POST",
        "The walk from a to b and back, as a film that loops.",
        {
            "a": _FACE,
            "b": _FACE,
            "format": {"enum": ["gif", "mp4"]},
            "fps": {"type": "integer", "minimum": 1, "maximum": 60},
            "frames": {"type": "integer", "minimum": 2, "maximum": wire.FILM_FRAMES},
            "quality": _QUALITY,
        },
        "image/gif",
        {},
    ),
    "state": (
        "POST",
        "The whole state of a face, as it is kept inside a PNG.",
        {"face": _FACE, "quality": _QUALITY},
        _JSON,
        {},
    ),
    "open": ("POST", "The face of such a state, or of a PNG (image/png) that holds one.", {}, _JSON, _FACE),
    "near": (
        "POST",
        "A hand comes near this slider: what it is going to need is painted beforehand.",
        {"face": _FACE, "feature": {"type": "string"}},
        _JSON,
        {},
    ),
    "cells": (
        "POST",
        "The cells of a data set, how many samples lie in each, and the command that makes it.",
        {
            "n": {"type": "integer", "minimum": 1},
            "balance": {"type": "array", "items": {"type": "string"}},
            "where": {"type": "string", "description": "a condition like 'eyeglasses and not young'"},
            "source": {"enum": ["both", "select", "edit"]},
            "format": {"enum": ["folder", "jsonl", "parquet", "webdataset"]},
        },
        _JSON,
        {},
    ),
    "photograph": (
        "POST",
        "A photograph's file (image/jpeg, image/png, ...): it is held in memory for the sender, under a name that stands for "
        "a start in faces from then on; the faces that were found, to pick from.",
        {},
        _JSON,
        {"type": "object", "properties": {"photo": {"type": "string"}, "faces": {"type": "array", "items": {}}}},
    ),
    "invert": (
        "POST",
        "Begin its inversion, with a face (from 1, left to right) or a square, or go on with it: about a second of work, and "
        "what was found so far.",
        {
            "photo": {"type": "string"},
            "face": {"type": "integer", "minimum": 1},
            "box": {"type": "array", "items": {"type": "number"}, "description": "left, top and side in pixels"},
        },
        _JSON,
        {"type": "object", "properties": {"done": {"type": "boolean"}, "picture": {"type": "string"}}},
    ),
    "forget": ("POST", "Let it go.", {"photo": {"type": "string"}}, _JSON, {}),
}


def method(verb: str) -> str:
    """GET or POST."""
    return VERBS[verb][0]


def document() -> dict[str, Any]:
    """OpenAPI 3.0."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "tlgan studio", "version": __version__},
        "paths": {f"/api/{name}": _path(name) for name in VERBS},
        "components": {"schemas": SCHEMAS},
    }


def page() -> str:
    """The same as HTML."""
    rows = []
    for name, (verb, summary, body, content, _) in VERBS.items():
        fields = "".join(
            f"<li><code>{escape(key)}</code> {escape(_words(schema))}</li>" for key, schema in body.items()
        )
        rows.append(
            f"<section><h2><code>{verb} api/{name}</code></h2><p>{escape(summary)}</p>"
            f"{'<ul>' + fields + '</ul>' if fields else ''}<p class='quiet'>answers with {content}</p></section>"
        )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>tlgan studio: the verbs</title>"
        "<meta name='viewport' content='width=device-width'><link rel='stylesheet' href='../api.css'>"
        "<h1>The studio over HTTP</h1><p>The same verbs as the page uses. Words are JSON; errors come as "
        '<code>{"error": "..."}</code> with status 400. For tools: <a href="openapi.json">openapi.json</a>.</p>'
        + "".join(rows)
    )


def _path(name: str) -> dict[str, Any]:
    verb, summary, body, content, schema = VERBS[name]
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "done", "content": {content: {"schema": schema}}},
            "400": {
                "description": "one clear line",
                "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if name == "random":
        operation["parameters"] = [{"name": "seed", "in": "query", "schema": {"type": "integer"}}]
    if verb == "POST":
        operation["requestBody"] = {"content": {_JSON: {"schema": {"type": "object", "properties": body}}}}
    return {verb.lower(): operation}


def _words(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1].lower()
    if "enum" in schema:
        return " or ".join(schema["enum"])
    bounds = [str(schema[key]) for key in ("minimum", "maximum") if key in schema]
    return str(schema.get("type", "")) + (f", {' to '.join(bounds)}" if bounds else "")
