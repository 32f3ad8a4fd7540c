// The keyboard, where nothing else wants it. `card.js` lists the keys for people.

import * as dialog from "./dialog.js";
import { byId } from "./dom.js";

/** @param {Record<string, () => void>} actions @param {{compare: (on: boolean) => void}} hold */
export function listen(actions, hold) {
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
      if (inText(event.target)) return;
      const key = event.key.toLowerCase();
      const action = key === "z" ? (event.shiftKey ? "redo" : "undo") : key === "y" ? "redo" : null;
      if (!action) return;
      event.preventDefault();
      actions[action]();
      return;
    }
    if (event.altKey || dialog.isOpen() || inText(event.target)) return;
    if (event.key.startsWith("Arrow") && event.target.matches?.("input[type=range]")) return; // its own keys
    if (event.key === " ") {
      if (event.target.closest?.("button, summary, input")) return; // there it presses
      event.preventDefault();
      hold.compare(true);
      return;
    }
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  addEventListener("keyup", (event) => {
    if (event.key === " ") hold.compare(false);
  });
  addEventListener("blur", () => hold.compare(false));
  // A button that was clicked must not keep the keyboard: Space would press it again instead of comparing.
  document.addEventListener("mousedown", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    if (!button || byId("dialog").contains(button)) return;
    event.preventDefault();
    if (inText(document.activeElement)) /** @type {HTMLElement} */ (document.activeElement).blur();
  });
}

/** Typing, not commanding; a range or a checkbox takes no letters. */
const inText = (element) => Boolean(element?.matches?.("input:not([type=range], [type=checkbox], [type=radio]), textarea"));
