"""The list of known generators: every entry is whole, and a name leads to the file it stands for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tlgan import cli
from tlgan.errors import TlganError
from tlgan.generators import KnownModel, known_model, known_models, load_generator
from tlgan.generators.catalogue import families
from tlgan.io import hub

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"


@pytest.mark.parametrize("model", known_models().values(), ids=lambda model: model.name)
def test_an_entry_says_where_it_comes_from_and_under_which_terms(model: KnownModel) -> None:
    assert model.terms
    assert model.page
    assert model.resolution in (0, *(2**k for k in range(4, 11)))
    assert not model.address or model.address.startswith(("https://", "pypi:", "hf:"))


def test_faces_animals_and_more_are_known() -> None:
    names = " ".join(known_models())
    for word in ("face64", "celebahq", "ffhq", "afhq", "metfaces", "car", "church"):
        assert word in names


def test_square_models_have_short_names() -> None:
    assert known_model("stylegan3-r-ffhqu-256") == known_models()["stylegan3-r-ffhqu-256x256"]
    assert known_model("stylegan3-r-ffhqu-255") is None


def test_a_name_is_fetched_from_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def fetch(ref: str, **_: object) -> Path:
        asked.append(ref)
        return Path(shutil.copy(CHECKPOINTS / "sg3r_32.pkl", tmp_path))

    monkeypatch.setattr(hub, "fetch", fetch)
    assert load_generator("stylegan3-r-ffhqu-256").resolution == 32
    assert asked == [known_models()["stylegan3-r-ffhqu-256x256"].address]


def test_what_only_a_person_can_fetch_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = [name for name, model in known_models().items() if not model.address and not model.packaged]
    for name in by_hand:
        with pytest.raises(TlganError, match="https://"):
            load_generator(name)


def test_the_verb_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["models", "--json"])
    assert done.value.code == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == list(known_models())
    with pytest.raises(SystemExit):
        cli.main(["models"])
    printed = capsys.readouterr().out
    for family in families():
        assert f"{family.kind} · {family.terms} · {family.page}\n" in printed
        for model in family.models:
            assert f"  {model.name} " in printed


def test_the_table_of_families_and_the_list_say_the_same() -> None:
    """Every row of docs/generators.md is a kind of the list and the other way round, with its pages, how many files they
    publish, and of which sizes."""
    text = (Path(__file__).parents[2] / "docs" / "generators.md").read_text("utf-8")
    lines = text.partition("\n| family | files |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert {row[0].replace("`", "") for row in rows} == {family.kind for family in families()}
    for row in rows:
        for family in (family for family in families() if family.kind == row[0].replace("`", "")):
            sizes = sorted({model.resolution for model in family.models if model.resolution})
            count = f"{len(family.models)} file{'s' if len(family.models) > 1 else ''}" if family.models else "none"
            pixels = f", {sizes[0]}{f' to {sizes[-1]}' if len(sizes) > 1 else ''} px" if sizes else ""
            (said,) = (part for part in row[4].split("; ") if family.page in part)
            assert said.endswith(f": {count}{pixels}"), row[0]
