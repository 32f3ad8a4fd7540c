"""Build the wheel and the sdist into dist/, check what is in them, and try the wheel where nothing of the tree is in reach.

    python recipes/dist.py           # or: make dist
    python recipes/dist.py --try     # or: make dist-try; installs into a fresh environment, minutes

`--torch` names what is installed for torch first, like `make TORCH=...`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 15e6  # bytes of a wheel
#: What a wheel must hold besides modules, and must not.
NEEDED = (
    "tlgan/py.typed",
    "tlgan/web/page/index.html",
    "tlgan/web/label/page/index.html",
    "tlgan/workspace/templates/report.html.j2",
    "tlgan/generators/weights/photo64.safetensors",
    "tlgan/generators/weights/NOTICE",
    "tlgan/extractors/weights/celeba40.safetensors",
)
UNWANTED = ("tests/", "benchmarks/", "docs/", "__pycache__", ".onnx")


def build(out: Path) -> tuple[Path, Path]:
    """Build both, the wheel from the sdist; their paths."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def faults(wheel: Path, sdist: Path) -> list[str]:
    """What is wrong with them, a line each."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    size = wheel.stat().st_size
    return [
        *([f"{wheel.name} has {size / 1e6:.1f} MB: expected at most {MOST / 1e6:.0f}"] if size > MOST else []),
        *(f"{wheel.name} lacks {name}" for name in NEEDED if name not in names),
        *(f"{wheel.name} holds {name}" for name in names if any(word in name for word in UNWANTED)),
        *(
            f"{wheel.name} says nothing of {word}"
            for word in ("Requires-Python", "License-Expression")
            if word not in metadata
        ),
        *(f"{sdist.name} lacks {name}" for name in ("LICENSE", "Makefile", "tests/conftest.py") if name not in sources),
    ]


def tried(wheel: Path, torch: str) -> None:
    """Install the wheel into a fresh environment and go from nothing to an edited picture, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        venv.create(home / "env", with_pip=True)
        scripts = home / "env" / ("Scripts" if os.name == "nt" else "bin")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TLGAN"))}
        clean |= {"HOME": folder, "TLGAN_OFFLINE": "1"}
        (home / "work").mkdir()

        def run(*command: str, offline: bool = True) -> None:
            print("•", shlex.join(command), flush=True)
            environment = clean if offline else dict(os.environ)
            subprocess.run([str(scripts / command[0]), *command[1:]], check=True, cwd=home / "work", env=environment)

        run("python", "-m", "pip", "install", "--quiet", *shlex.split(torch), offline=False)
        run("python", "-m", "pip", "install", "--quiet", str(wheel), offline=False)
        run("tlgan", "--version")
        run("tlgan", "discover", "photo64", "-o", "faces", "--max-samples", "400")
        run("tlgan", "edit", "faces", "smiling=+2", "-o", "smile.png")
        run("tlgan", "verify", "smile.png")


def main() -> int:
    """Build, check, and try where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--try", action="store_true", dest="try_", help="install the wheel and use it")
    parser.add_argument("--torch", default="torch")
    options = parser.parse_args()
    out = ROOT / "dist"
    for old in [*out.glob("*.whl"), *out.glob("*.tar.gz")]:
        old.unlink()
    wheel, sdist = build(out)
    wrong = faults(wheel, sdist)
    print(*wrong, *(f"{file}: {file.stat().st_size / 1e6:.1f} MB" for file in (wheel, sdist)), sep="\n")
    if options.try_ and not wrong:
        tried(wheel, options.torch)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
