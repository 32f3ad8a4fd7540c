"""What this machine can do, and what is already in the cache."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from tlgan.io.files import sizes_under
from tlgan.io.isolation import importable, program

#: Optional packages and what each is for.
EXTRAS = {
    "onnxruntime": "ONNX generators and extractors, publish (pip install 'tlgan[onnx]')",
    "transformers": "Hugging Face classifiers and text prompts (pip install 'tlgan[text]')",
    "anywidget": "the studio inside a notebook (pip install 'tlgan[jupyter]')",
}


def examine() -> dict[str, Any]:
    """Facts as plain values: versions, processors, accelerator, cache, optional packages."""
    import torch

    from tlgan import __version__
    from tlgan.io.hub import cache_dir

    cache = cache_dir()
    sizes = sizes_under(cache)
    return {
        "tlgan": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}",
        "accelerator": _accelerator(),
        "browser": program("chromium", "google-chrome") or "none found by name",
        "cache": f"{cache}, {len(sizes)} files, {sum(sizes) / 1e6:.0f} MB",
        "free disk": f"{shutil.disk_usage(Path.cwd()).free / 1e9:.0f} GB here",
        **{name: _extra(name, purpose) for name, purpose in EXTRAS.items()},
    }


def _accelerator() -> str:
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return "none that torch can use: the processor does the work"


def _extra(name: str, purpose: str) -> str:
    return "installed" if importable(name) else f"not installed; for {purpose}"
