"""Which functions a file may have run: those that a person named here, from files that are still the same."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.extractors.registry import load_stored
from tlgan.io import permission
from tlgan.workspace import Settings, Workspace

GREY = "def grey(pictures):\n    return pictures.mean((1, 2, 3))\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose modules are forgotten afterwards, and an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(permission, "_here_and_now", set())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


def next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission, "_here_and_now", set())
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("alias", ["__main__", "__mp_main__", "own_alias"])
def test_a_script_that_opens_a_workspace_is_not_called_by_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, alias: str, trust: bool
) -> None:
    called = []
    monkeypatch.setattr(sys.modules["__main__"], "wipe_everything", lambda pictures: called.append(1), raising=False)
    monkeypatch.setitem(sys.modules, alias, sys.modules["__main__"])
    settings = Settings("photo64", extractors=("colour", f"{alias}:wipe_everything"))
    with pytest.raises(TlganError, match="never run for a file"):
        _ = Workspace(folder, settings, trust=trust).extractor
    assert not called


def test_a_module_that_comes_from_no_file_is_never_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = types.ModuleType("own_made_up")
    made_up.grey = lambda pictures: pictures.mean((1, 2, 3))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_made_up", made_up)
    for ref in (
        "own_made_up:grey",
        "builtins:eval",
        "builtins:exec",
        "sys:exit",
        "no_such_module:grey",
        "os.nothing:x",
    ):
        with pytest.raises(TlganError, match="never run for a file"):
            load_stored(ref, trust=True)


@pytest.mark.parametrize("ref", ["shutil:rmtree", "subprocess:run", "tlgan.cli:main"])
def test_installed_functions_are_not_run_either(folder: Path, ref: str) -> None:
    with pytest.raises(TlganError, match="nobody has named"):
        load_stored(ref)


def test_a_permission_is_for_one_function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own_one.py").write_text(
        f"import os\n{GREY}\ndef other(pictures):\n    return pictures.mean((1, 2, 3))\n"
    )
    load_extractor("own_one:grey")
    next_process(monkeypatch)
    assert load_stored("own_one:grey").features[0].name == "grey"
    for ref in ("own_one:other", "own_one:os.system"):
        with pytest.raises(TlganError, match="nobody has named"):
            load_stored(ref)


def test_a_permission_ends_when_the_code_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = folder / "own_changed.py"
    own.write_text(GREY)
    load_extractor("own_changed:grey")
    next_process(monkeypatch)
    own.write_text(f"{GREY}\nopen('ran', 'w').close()\n")
    with pytest.raises(TlganError, match="changed since you allowed it"):
        load_stored("own_changed:grey")
    assert not (folder / "ran").exists()
    load_extractor("own_changed:grey")  # the person names it again
    next_process(monkeypatch)
    assert load_stored("own_changed:grey").features[0].name == "grey"
    own.write_text(GREY)  # of two permissions the last one counts
    next_process(monkeypatch)
    with pytest.raises(TlganError, match="changed since"):
        load_stored("own_changed:grey")


@pytest.mark.parametrize("file", ["own_package/__init__.py", "own_package/inner.py"])
def test_the_packages_around_a_module_count(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    (folder / "own_package").mkdir()
    (folder / "own_package/__init__.py").write_text("")
    (folder / "own_package/inner.py").write_text(GREY)
    load_extractor("own_package.inner:grey")
    next_process(monkeypatch)
    assert permission.standing("own_package.inner:grey") == "allowed"
    with (folder / file).open("a") as changed:
        changed.write("\n# another line\n")
    assert permission.standing("own_package.inner:grey") == "changed"
    assert "own_package" not in sys.modules  # to find out, nothing was imported


def test_the_same_name_in_another_folder_is_another_module(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "own_name.py").write_text(GREY)
    load_extractor("own_name:grey")
    next_process(monkeypatch)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "own_name.py").write_text(GREY)
    monkeypatch.chdir(elsewhere)
    with pytest.raises(TlganError, match="changed since"):
        load_stored("own_name:grey")


def test_a_folder_name_can_not_forge_a_permission(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import shutil as victim

    forged = f"x\nshutil:rmtree\t{os.path.realpath(victim.__file__)}\n"
    (folder / forged.replace("/", "_")).mkdir()
    monkeypatch.chdir(folder / forged.replace("/", "_"))
    Path("own_forger.py").write_text(GREY)
    load_extractor("own_forger:grey")
    next_process(monkeypatch)
    assert permission.standing("own_forger:grey") == "allowed"
    assert permission.standing("shutil:rmtree") == "unknown"


def test_trust_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own_trusted.py").write_text(GREY)
    load_stored("own_trusted:grey", trust=True)
    next_process(monkeypatch)
    assert permission.standing("own_trusted:grey") == "unknown"


def test_an_installed_module_is_not_helped_out_by_the_working_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path_factory.mktemp("installed")
    (installed / "own_installed.py").write_text(f"try:\n    import own_optional\nexcept ImportError:\n    pass\n{GREY}")
    (folder / "own_optional.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.syspath_prepend(installed)
    load_extractor("own_installed:grey")
    assert not (folder / "ran").exists()
