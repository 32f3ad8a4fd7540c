"""The page in a real browser: from zero to a slider, with a person's clicks simulated."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.axe import looked_at, violations
from tests.labelling.test_session import brighter_right
from tlgan.web.label import LabelSession, running
from tlgan.workspace import Workspace

pytestmark = pytest.mark.browser


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something to come true (the page lets nobody evaluate text as code, not even a test that waits)."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def counted(page: Any) -> int:
    """Clicks that the page says it has."""
    return sum(int(number) for number in re.findall(r"\d+", page.locator("#counts").inner_text()))


@pytest.mark.parametrize("phone", [False, True])
def test_from_zero_to_a_slider(workspace: Workspace, browser: Any, phone: bool) -> None:
    session = LabelSession(workspace, "brighter on the right", extractor="tests.labelling.embedder:made")
    size = {"width": 390, "height": 844} if phone else {"width": 1200, "height": 860}
    page = browser.new_page(viewport=size, has_touch=phone, color_scheme="dark" if phone else "light")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 400 else None)
    with running(session) as address:
        page.goto(address)
        until(lambda: page.locator("#question").inner_text() == "Brighter on the right?")
        until(lambda: page.locator("#looked").inner_text() == "")
        assert page.locator("#finish").is_disabled()
        for done in range(48):
            shown = re.search(r"/(\d+)\.png", page.locator("#picture").get_attribute("src"))
            assert shown is not None
            yes = brighter_right(session, int(shown[1]))
            if phone:
                page.locator("#yes" if yes else "#no").tap()
            else:
                page.keyboard.press("y" if yes else "n")
            until(lambda done=done: counted(page) == done + 1)
        assert "which is which" in page.locator("#estimate").inner_text()
        assert page.locator("#surest-yes img").count() == 6
        page.keyboard.press("u")
        until(lambda: counted(page) == 47)
        assert page.locator("html").evaluate("html => html.scrollWidth <= innerWidth")
        page.locator("#finish").click()
        page.locator("#result").wait_for(timeout=60_000)
        assert "is made" in page.locator("#made").inner_text()
        assert "explains" in page.locator("#quality").inner_text()
        until(lambda: page.locator("#strip").evaluate("image => image.naturalWidth") == 5 * 16)
        assert page.locator("#yes").is_disabled()
        page.reload()
        page.locator("#result").wait_for()
    page.close()
    assert errors == []
    workspace = session.workspace
    assert "brighter_on_the_right" in workspace.axes.names
    start = workspace.face(seed=3)
    before, after = (editor.measured() for editor in (start, start.set(brighter_on_the_right=1.5)))
    assert after["right_bright"] - after["left"] > before["right_bright"] - before["left"]


def test_axe_finds_nothing(workspace: Workspace, browser: Any) -> None:
    session = LabelSession(workspace, "brighter on the left", extractor="tests.labelling.embedder:made")
    with running(session) as address, looked_at(browser, address) as page:
        until(lambda: page.locator("#question").inner_text() == "Brighter on the left?")
        assert violations(page) == []
