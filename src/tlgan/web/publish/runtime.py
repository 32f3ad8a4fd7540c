"""ONNX Runtime Web, as it goes into a site: from npm, pinned, cached, and only the files that a browser asks for.

One build computes on the processor (SIMD always, threads where the page is isolated, one binary for both); the other
adds WebGPU, and is fetched by a visitor only where a graphics processor is there to use it.
"""

from __future__ import annotations

from pathlib import Path

from tlgan.io import hub

VERSION = "1.30.0"

#: name in a site -> (file of the package, sha256). `ort-*` are modules with the loader inside, `runtime-*` WebAssembly.
FILES = {
    "ort-wasm": (
        "dist/ort.wasm.bundle.min.mjs",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    "runtime-wasm": (
        "dist/ort-wasm-simd-threaded.wasm",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
    "ort-webgpu": (
        "dist/ort.webgpu.bundle.min.mjs",
        "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
    ),
    "runtime-webgpu": (
        "dist/ort-wasm-simd-threaded.asyncify.wasm",
        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    ),
}

LICENCE = """\
ONNX Runtime Web {version}, MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def runtime_file(name: str, progress: hub.Progress | None = None) -> Path:
    """The file of a `name` of `FILES` on this disk; fetched from npm where it isn't there yet.

    Raises TlganError where it is neither cached nor to be had.
    """
    member, sha256 = FILES[name]
    return hub.fetch(f"npm:onnxruntime-web@{VERSION}/{member}", sha256=sha256, progress=progress)
