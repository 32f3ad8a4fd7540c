// The one dialog: a title, a body, Esc closes it, and focus goes back to where it came from.

import { byId } from "./dom.js";

const dialog = byId("dialog");

byId("dialog-close").addEventListener("click", () => close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) close(); // beside it
});
dialog.addEventListener("close", () => {
  if (!dialog.open) byId("dialog-body").replaceChildren(); // it comes late: another may have opened by now
});

/** @param {string} title @param {Node} body @param {string} kind  a class for its shape */
export function show(title, body, kind) {
  byId("dialog-title").textContent = title;
  byId("dialog-body").replaceChildren(body);
  dialog.className = kind;
  if (!dialog.open) dialog.showModal();
}

export function close() {
  dialog.close();
}

export const isOpen = () => dialog.open;
