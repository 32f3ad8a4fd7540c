"""axe-core's checks of a page in the browser: what an automated look at accessibility can find.

`axe.min.js` is axe-core 4.14.1 as npm has it (MPL 2.0, sha256 29348999450cdf28…); it is used by tests alone and is in no wheel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AXE = Path(__file__).parent / "axe.min.js"


@contextmanager
def looked_at(browser: Any, address: str, ready: str = "body", **context: Any) -> Iterator[Any]:
    """A page with axe-core in it, once the selector `ready` is there."""
    options = {"viewport": {"width": 1280, "height": 860}, "bypass_csp": True, "reduced_motion": "reduce"}
    opened = browser.new_context(**(options | context))
    opened.add_init_script(path=str(AXE))
    page = opened.new_page()
    page.goto(address)
    page.wait_for_selector(ready, state="attached")
    yield page
    opened.close()


def violations(page: Any) -> list[str]:
    """A line each, by day and by night: the rule, the element, and what is wrong with it."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        result = page.evaluate("() => axe.run({resultTypes: ['violations']})")
        for rule in result["violations"]:
            found += [
                f"{scheme}: {rule['id']}: {node['html'][:160]}: {' '.join(node['failureSummary'].split())[:300]}"
                for node in rule["nodes"]
            ]
    return found
