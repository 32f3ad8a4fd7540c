"""The same "random" faces in every run: a test that fails once in a hundred faces helps nobody."""

from __future__ import annotations

from typing import Any

# A linear congruential generator in place of the browser's entropy; not for anything but the choice of faces.
_REPEATABLE = """
let state = 20181018;
crypto.getRandomValues = (array) => {
  for (let i = 0; i < array.length; i += 1) array[i] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return array;
};
"""


def repeatable(context: Any) -> Any:
    """A browser context whose pages draw the same seeds one after the other."""
    context.add_init_script(_REPEATABLE)
    return context
