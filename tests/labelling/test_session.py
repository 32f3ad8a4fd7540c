"""Clicks become a slider; none of them is lost; what does not fit is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.labelling.embedder import made
from tests.worlds import DIM, HalvesModule, halves_generator, reopen
from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.io.step import PENDING
from tlgan.web.label import LabelSession, create_app
from tlgan.workspace import SETTINGS_FILE, Workspace

ADDRESS = "http://127.0.0.1:8000"


def brighter_right(session: LabelSession, row: int) -> bool:
    """What a person would see: whether the right half is brighter than the left."""
    left, right = HalvesModule().directions.numpy() @ session.latents[row]
    return bool(right > left)


def click_through(session: LabelSession, clicks: int) -> None:
    for _ in range(clicks):
        row = session.state()["row"]
        session.answer(row, brighter_right(session, row))


@pytest.fixture
def session(workspace: Workspace) -> LabelSession:
    session = LabelSession(workspace, "brighter on the right", extractor="tests.labelling.embedder:made")
    session.look()
    return session


def test_from_clicks_to_a_slider(session: LabelSession, workspace: Workspace) -> None:
    click_through(session, 48)
    state = session.state()
    assert state["ready"]
    assert state["estimate"]["auc"] > 0.8
    assert all(brighter_right(session, row) for row in state["examples"]["yes"])
    assert not any(brighter_right(session, row) for row in state["examples"]["no"])
    result = session.finish()["result"]
    workspace = session.workspace
    left, right = HalvesModule().directions.numpy()
    direction = workspace.axes.directions[workspace.axes.index("brighter_on_the_right")]
    truth = right - left
    assert direction @ truth / np.linalg.norm(direction) / np.linalg.norm(truth) > 0.97
    assert result["r2"] > 0.7
    assert not result["weak"]
    assert session.strip().startswith(b"\x89PNG")
    assert workspace.settings.extractors[-1] == "extractors/brighter_on_the_right.safetensors"
    head = load_extractor(str(workspace.path / workspace.settings.extractors[-1]))
    picture = halves_generator().synthesize(np.zeros((1, DIM), dtype=np.float32))
    assert 0 < head.extract(picture).item() < 1


def test_clicks_outlive_the_page(session: LabelSession, workspace: Workspace) -> None:
    click_through(session, 10)
    again = LabelSession(reopen(workspace.path), "brighter on the right", extractor="tests.labelling.embedder:made")
    assert again.learner.answers == session.learner.answers
    assert again.learner.probes == session.learner.probes
    assert again.order == session.order
    again.file.write_text('{"clicks": [[1]]}')
    with pytest.raises(TlganError, match="can't be read"):
        LabelSession(reopen(workspace.path), "brighter on the right", extractor="tests.labelling.embedder:made")


@pytest.mark.parametrize(("call", "at", "done"), [("rename", PENDING, False), ("replace", SETTINGS_FILE, True)])
def test_a_slider_cut_off_at_its_end_is_there_or_can_be_made_again(
    session: LabelSession, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, call: str, at: str, done: bool
) -> None:
    """Before the moment in which axes and settings count, or between those two."""
    click_through(session, 48)

    real: Any = getattr(os, call)

    class Killed(BaseException):
        pass

    def cut(source: object, target: object) -> None:
        if Path(str(target)).name == at and PENDING in (at, Path(str(source)).parent.name):
            raise Killed
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, cut)
        with pytest.raises(Killed):
            session.finish()
    again = reopen(workspace.path)
    assert ("brighter_on_the_right" in again.axes.names) is done
    assert (again.settings.extractors[-1] == "extractors/brighter_on_the_right.safetensors") is done
    if done:
        with pytest.raises(TlganError, match="already"):
            LabelSession(again, "brighter on the right", extractor="tests.labelling.embedder:made")
        return
    once_more = LabelSession(again, "brighter on the right", extractor="tests.labelling.embedder:made")
    once_more.look()
    once_more.finish()
    assert reopen(workspace.path).axes.names[-1] == "brighter_on_the_right"


def test_undo_shows_the_same_picture_again(session: LabelSession) -> None:
    click_through(session, 3)
    last = session.order[-1]
    assert session.undo()["row"] == last
    assert last not in session.learner.answers
    session.answer(last, True)
    assert session.learner.answers[last] is True
    for _ in range(9):
        session.undo()
    assert session.learner.counts == (0, 0)


def test_a_late_answer_is_not_taken_for_another_picture(session: LabelSession) -> None:
    row = session.state()["row"]
    session.answer(row, True)
    session.answer(row, False)
    assert session.learner.answers == {row: True}


def test_too_few_clicks_make_no_slider(session: LabelSession, workspace: Workspace) -> None:
    click_through(session, 5)
    with pytest.raises(TlganError, match=r"too few: at least 24 clicks"):
        session.finish()
    assert not (workspace.path / "extractors").exists()


def test_a_head_on_another_network_is_refused(
    session: LabelSession, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    click_through(session, 48)
    session.finish()
    path = str(workspace.path / session.workspace.settings.extractors[-1])
    was = made.embedding
    monkeypatch.setattr(made, "embedding", lambda images: was(images).flip(1))
    with pytest.raises(TlganError, match=r"another version of 'tests.labelling.embedder:made'.*label` again"):
        load_extractor(path)


@pytest.mark.parametrize(
    ("question", "options", "expected"),
    [
        ("  ", {}, "no question"),
        ("left", {}, "slider 'left' already"),
        ("???", {}, "no letter"),
        ("hat", {"extractor": "colour"}, "no embedding"),
        ("hat", {"pool": 10}, "too few"),
    ],
)
def test_questions_that_can_not_be_asked(
    workspace: Workspace, question: str, options: dict[str, object], expected: str
) -> None:
    with pytest.raises(TlganError, match=expected):
        LabelSession(workspace, question, **{"extractor": "tests.labelling.embedder:made", **options})


def test_the_server_takes_no_nonsense(session: LabelSession) -> None:
    with TestClient(create_app(session), base_url=ADDRESS) as client:
        row = client.get("/api/state").json()["row"]
        assert client.get(f"/picture/{row}.png").content.startswith(b"\x89PNG")
        assert client.get("/picture/999999.png").status_code == 400
        for body in ("[]", "{", '{"row": "1"}', '{"row": 1, "yes": "no"}', "x" * 5000):
            assert client.post("/api/answer", content=body).status_code == 400
        assert session.learner.counts == (0, 0)
        assert client.post("/api/finish", content="{}").json()["error"]
        assert client.post("/api/answer", content="{}", headers={"origin": "http://evil.example"}).status_code == 403
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403
        assert client.post("/api/answer", json={"row": row, "yes": None}).json()["yes"] == 0


def test_the_pool_is_used_while_it_is_still_looked_at(workspace: Workspace) -> None:
    session = LabelSession(workspace, "brighter on the right", extractor="tests.labelling.embedder:made")
    state = session.state()
    assert (state["looked"], state["pool"]) == (0, 2000)
    session.answer(state["row"], True)
    session.look()
    assert session.state()["looked"] == 2000
    assert session.learner.counts == (1, 0)


def test_the_page_is_part_of_the_package() -> None:
    import tlgan.web.label

    page = Path(tlgan.web.label.__file__).parent / "page"
    assert {p.name for p in page.iterdir()} == {"index.html", "label.css", "label.js"}
