"""What strangers pick up: the wheel and the sdist, the container, the workflows that publish them, and licences."""

from __future__ import annotations

import importlib.metadata
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

import tlgan

ROOT = Path(__file__).parent.parent

import dist  # noqa: E402
import licences  # noqa: E402

yaml = pytest.importorskip("yaml")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    return dist.build(tmp_path_factory.mktemp("dist"))


def test_wheel_and_sdist_hold_what_they_should(built: tuple[Path, Path]) -> None:
    wheel, sdist = built
    assert dist.faults(wheel, sdist) == []
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("tlgan/")}
    tree = {f"tlgan/{path.relative_to(ROOT / 'src' / 'tlgan').as_posix()}" for path in (ROOT / "src").rglob("*")}
    modules = {name for name in tree if name.endswith(".py")}
    assert modules <= inside <= tree


def test_a_wheel_that_is_wrong_is_noticed(built: tuple[Path, Path], tmp_path: Path) -> None:
    wheel = tmp_path / built[0].name
    with zipfile.ZipFile(built[0]) as whole, zipfile.ZipFile(wheel, "w") as other:
        for name in whole.namelist():
            if name != "tlgan/py.typed":
                other.writestr(name, whole.read(name))
        other.writestr("tests/test_x.py", b"")
        other.writestr("tlgan/large", bytes(16_000_000))
    told = "\n".join(dist.faults(wheel, built[1]))
    assert "lacks tlgan/py.typed" in told
    assert "holds tests/test_x.py" in told
    assert "expected at most 15" in told


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, comments left out and continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n?", "", dockerfile, flags=re.MULTILINE))
    return [(line.split()[0].upper(), line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def wrong_with(dockerfile: str) -> list[str]:
    """What breaks the rules for images here, a line each."""
    said = instructions(dockerfile)
    last = len(said) - 1 - [word for word, _ in reversed(said)].index("FROM")
    users = [words for word, words in said[last:] if word == "USER"]
    stages = {words.split()[-1] for word, words in said if word == "FROM" and " AS " in words.upper()}
    found = [] if users and re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]) else ["does not run as a numbered user"]
    for word, words in said:
        image = words.split()[0]
        if word == "FROM" and image not in stages and (":" not in image or image.endswith(":latest")):
            found.append(f"{image} has no version")
        if word == "ADD":
            found.append("ADD fetches and unpacks: use COPY")
        if word in ("ENTRYPOINT", "CMD") and not words.startswith("["):
            found.append(f"{word} goes through a shell")
        if word == "RUN" and re.search(r"(curl|wget)[^|]*\|", words):
            found.append("runs what it fetches")
        if word == "RUN" and "pip install" in words and "--no-cache-dir" not in words:
            found.append("keeps pip's cache")
        if word == "ENV" and re.search(r"(?i)(token|password|secret)\w*=", words):
            found.append("keeps a secret")
    return found


def test_the_image_keeps_the_rules() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert wrong_with(text) == []
    copied = [words.split()[:-1] for word, words in instructions(text) if word == "COPY" and "--from" not in words]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_an_image_that_breaks_the_rules_is_noticed() -> None:
    text = "FROM python\nADD x y\nRUN curl x | sh\nRUN pip install y\nENV API_TOKEN=1\nUSER root\nCMD tlgan\n"
    assert len(wrong_with(text)) == 7
    assert wrong_with("FROM a:1 AS b\nUSER 5\nFROM b\nUSER 0\n") == ["does not run as a numbered user"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_pinned_and_asks_for_little(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        for step in job.get("steps", ()):
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v1)", step["uses"]), step["uses"]
            for target in re.findall(r"\bmake ([a-z -]+)", step.get("run", "")):
                for name in target.split():
                    assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), name
            for script in re.findall(r"python (recipes/\S+)", step.get("run", "")):
                assert (ROOT / script).exists()


def test_three_systems_and_every_python_are_tested() -> None:
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    pythons = {*matrix["python"], *(entry["python"] for entry in matrix["include"])}
    assert pythons == {"3.11", "3.12", "3.13", "3.14"}
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))["jobs"]
    assert release["build"]["needs"] == "tests"
    assert release["publish"]["needs"] == "build"


def test_versions_agree(built: tuple[Path, Path]) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    newest = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert tlgan.__version__ == citation["version"] == newest[1]
    assert str(citation["date-released"]) == newest[2]
    assert [file.name.split("-")[1].removesuffix(".tar.gz") for file in built] == [tlgan.__version__] * 2
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        assert {"name", "description", "body"} <= set(yaml.safe_load(form.read_text("utf-8")))


def test_every_licence_is_known() -> None:
    packages = licences.dependencies()
    assert {"torch", "numpy", "pytest", "certifi"} <= set(packages)
    assert licences.not_allowed(packages) == []
    assert licences.unnamed_weights(ROOT / "src") == []


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ("License-Expression: MIT", True),
        ("License-Expression: (Apache-2.0 OR GPL-3.0-only) AND MIT", True),
        ("License-Expression: MIT AND GPL-3.0-only", False),
        ("License-Expression: Apache-2.0 WITH LLVM-exception", True),
        ("Classifier: License :: OSI Approved :: BSD License", True),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
        ("License: Apache 2.0", True),
        ("License: only for members", False),
        ("Summary: nothing told", False),
    ],
)
def test_a_licence_is_read_from_what_metadata_says(told: str, right: bool, tmp_path: Path) -> None:
    folder = tmp_path / "some-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: some\nVersion: 1.0\n{told}\n")
    package = importlib.metadata.Distribution.at(folder)
    assert (licences.not_allowed({"some": package}) == []) is right


def test_weights_that_no_notice_names_are_found(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    for name in ("a", "b"):
        (tmp_path / "weights" / f"{name}.safetensors").touch()
    assert len(licences.unnamed_weights(tmp_path)) == 2
    (tmp_path / "weights" / "NOTICE").write_text("a.safetensors is in the public domain")
    assert [line.partition(":")[0] for line in licences.unnamed_weights(tmp_path)] == ["weights/b.safetensors"]
