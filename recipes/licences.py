"""Licences of what tlgan depends on, and terms of the weights that it ships: each must be known and allowed.

    python recipes/licences.py       # a part of: make check

A dependency is what `pyproject.toml` names, its extras included, and what that needs in turn, as it is installed here. Its
licence is what its metadata says. Weights are named, with their terms, in the NOTICE beside them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
#: SPDX names of licences under which a program of the MIT License may use a library as it is.
ALLOWED = frozenset(
    [
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "HPND",
        "ISC",
        "LGPL-2.1-or-later",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    ]
)
#: What metadata said before SPDX names: classifiers and free words.
WORDS = (
    (r"apache", "Apache-2.0"),
    (r"mozilla public|mpl", "MPL-2.0"),
    (r"\bisc\b", "ISC"),
    (r"python software foundation|psf", "PSF-2.0"),
    (r"\bbsd\b", "BSD-3-Clause"),
    (r"\bmit\b", "MIT"),
    (r"unlicense", "Unlicense"),
    (r"public domain", "CC0-1.0"),
)


def licences(package: Distribution) -> list[set[str]]:
    """A package's licences: one of each set is to be chosen; a name that is not known stays as it is written."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        parts = re.split(r"\s+AND\s+", re.sub(r"[()]|\s+WITH\s+[\w-]+", "", expression))
        return [set(re.split(r"\s+OR\s+", part.strip())) for part in parts]
    classifiers = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or () if c.startswith("License :: ")]
    named = [word for word in classifiers if word not in ("OSI Approved", "DFSG approved")]
    told = named or [(metadata.get("License") or "no licence told").splitlines()[0]]
    return [{next((spdx for word, spdx in WORDS if re.search(word, one.lower())), one) for one in told}]


def dependencies() -> dict[str, Distribution]:
    """All that is needed, by name: what is installed of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [
        *project["dependencies"],
        *(need for extra in project["optional-dependencies"].values() for need in extra),
    ]
    wanted = [(Requirement(need), "") for need in waiting]
    found: dict[str, Distribution] = {}
    seen = set()
    while wanted:
        need, asking = wanted.pop()
        name = canonicalize_name(need.name)
        extras = need.extras or {""}
        if name == "tlgan" or (
            need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in {asking, ""})
        ):
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # an extra that is not installed here
        found[name] = package
        for extra in extras:
            if (name, extra) not in seen:
                seen.add((name, extra))
                wanted += [(Requirement(inner), extra) for inner in package.requires or ()]
    return found


def not_allowed(packages: dict[str, Distribution]) -> list[str]:
    """A line for each package with a licence that is not on the list."""
    return [
        f"{name}: {' or '.join(sorted(choice))} is not among the licences that are allowed"
        for name, package in sorted(packages.items())
        for choice in licences(package)
        if not choice & ALLOWED
    ]


def unnamed_weights(source: Path) -> list[str]:
    """A line for each file of weights below `source` that no NOTICE beside it names."""
    wrong = []
    for file in sorted([*source.rglob("*.safetensors"), *source.rglob("*.onnx")]):
        notice = file.parent / "NOTICE"
        if not notice.exists() or file.name not in notice.read_text(encoding="utf-8"):
            wrong.append(f"{file.relative_to(source)}: {notice.relative_to(source)} does not name it and its terms")
    return wrong


def main() -> int:
    """Print what is not allowed, and how much was looked at."""
    packages = dependencies()
    wrong = not_allowed(packages) + unnamed_weights(ROOT / "src")
    print(*wrong, f"{len(packages)} dependencies looked at, {len(wrong)} licences or weights not allowed", sep="\n")
    return 1 if wrong or not packages else 0


if __name__ == "__main__":
    sys.exit(main())
