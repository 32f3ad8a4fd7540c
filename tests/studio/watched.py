"""A page in the browser, and a list of everything about it that must not happen."""

from __future__ import annotations

from typing import Any

from tests.chance import repeatable


class Watched:
    """A page, and everything about it that must not happen."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.address = address
        options = {"viewport": {"width": 1280, "height": 860}, "permissions": ["clipboard-read", "clipboard-write"]}
        self.context = repeatable(browser.new_context(**(options | context)))
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.faults: list[str] = []
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(m.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self._check(request.url))

    def _check(self, url: str) -> None:
        if not url.startswith((self.address, self.address.replace("http", "ws"), "data:", "blob:")):
            self.faults.append(f"a request left the page: {url}")

    def open(self, fragment: str = "") -> Any:
        """The page, loaded and painted."""
        self.page.goto(self.address + fragment)
        self.page.wait_for_selector("html[data-ready]")
        return self.page
