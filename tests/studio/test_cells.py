"""The studio's dialogue "make a data set like this": cells are counted as they are, and the command says what was chosen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.studio.watched import Watched
from tlgan.cli import main
from tlgan.dataset import Request
from tlgan.workspace import Workspace


def _asked(cartoons: Workspace, command: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Request, str]:
    """What the command line makes of a command."""
    found: list[Any] = []

    def made(workspace: Workspace, out: Path, request: Request, **options: Any) -> None:
        found.extend([request, options["form"]])
        raise SystemExit(7)

    monkeypatch.setattr("tlgan.workspace.open_workspace", lambda path, trust=False: cartoons)
    monkeypatch.setattr("tlgan.dataset.make_dataset", made)
    with pytest.raises(SystemExit):
        main(shlex.split(command)[1:])
    return found[0], found[1]


def test_cells_are_counted_among_the_samples(
    client: TestClient, cartoons: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = {
        "n": 100,
        "balance": ["smiling", "mouth_open"],
        "where": "age > 30 and not (smiling > .99)",
        "source": "select",
        "format": "jsonl",
    }
    answer = client.post("/api/cells", json=wish).json()
    values = np.concatenate([features for _, features in cartoons.samples.read_arrays()])
    smiling, opened, age = values[:, cartoons.axes.indices(["smiling", "mouth_open", "age"])].T
    kept = (age >= 30) & (smiling < 0.99)
    truth = [((smiling >= 0.5) == a) & ((opened >= 0.5) == b) & kept for a in (False, True) for b in (False, True)]
    assert [cell["samples"] for cell in answer["cells"]] == [int(inside.sum()) for inside in truth]
    assert [cell["rows"] for cell in answer["cells"]] == [25] * 4
    rare = client.post("/api/cells", json=wish | {"where": "age > 30 and smiling > .49 and smiling < .51"}).json()[
        "cells"
    ]
    assert [cell["rare"] for cell in answer["cells"]] == [inside.mean() < 0.01 for inside in truth]
    assert [cell["rare"] for cell in rare] == [100 * cell["samples"] < len(values) for cell in rare]
    assert any(cell["rare"] for cell in rare)
    assert answer["samples"] == len(values)
    request, form = _asked(cartoons, answer["command"], monkeypatch)
    asked = request.n, request.balance, request.where, request.source, form
    assert asked == (100, ("smiling", "mouth_open"), wish["where"], "select", "jsonl")


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"balance": ["smirk"]}, "unknown feature 'smirk'"),
        ({"balance": "smiling"}, "must be a list"),
        ({"balance": ["smiling"], "where": "smiling >"}, "is no condition"),
        ({"where": 3}, "'where' must be"),
        ({}, "nothing is asked"),
        ({"balance": ["smiling"], "n": 0}, "'n' is 0"),
        ({"balance": ["smiling"], "source": "all"}, "'source' must be"),
        ({"balance": ["smiling", "mouth_open", "age", "warm_hair", "skin"]}, "choose fewer features"),
        ({"balance": ["smiling", "mouth_open"], "n": 3}, "4 cells are asked for, but only 3 rows"),
    ],
)
def test_what_is_no_data_set_is_one_line(client: TestClient, wish: dict[str, Any], says: str) -> None:
    answer = client.post("/api/cells", json=wish)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def _waited(page: Any, selector: str, text: str) -> None:
    page.locator(selector, has_text=text).wait_for()


@pytest.mark.browser
def test_the_dialogue_counts_while_one_chooses_and_writes_the_command(watched: Watched) -> None:
    page = watched.open("#seed=7")
    page.evaluate("window.studio.set({smiling: 1})")
    page.keyboard.press("d")
    command = page.locator("#data-command")
    _waited(page, "#data-command", "--balance smiling -o data")  # what was moved is what is balanced
    assert page.locator("dialog tbody tr").count() == 2
    page.click('dialog [data-name="mouth_open"]')
    _waited(page, "#data-command", "--balance smiling,mouth_open")
    assert page.locator("dialog tbody tr").count() == 4
    page.fill("dialog input[type=number]", "60")
    page.fill("dialog input[type=text]", "age > 20 and nonsense")
    _waited(page, "#data-error", "nonsense")
    assert page.locator("dialog tbody tr").count() == 0
    page.fill("dialog input[type=text]", "age > 20")
    _waited(page, "#data-command", "-n 60 --balance smiling,mouth_open --where 'age > 20'")
    assert page.locator("#data-error").is_hidden()
    assert page.locator("dialog tbody tr").first.locator("td").first.inner_text() == "15"
    page.click("dialog .command button")
    page.locator("#told.shown").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == command.inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    watched.faults[:] = [fault for fault in watched.faults if "status of 400" not in fault]  # the nonsense
