// The smallest way to say HTML in JavaScript, and words for a person beside what they are about.

import { said } from "./words.js";

/**
 * @param {string} tag  "button.icon" for a class
 * @param {Record<string, any>} attributes  functions are listeners, true and false set and leave out
 * @param {...(Node|string)} children @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** An icon of the sprite in index.html. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/** "+1.4", "−0.3", "0". */
export function signed(value, digits = 1) {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return "0";
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** Set a property; the same value again touches nothing. @param {any} element @param {string} property */
export function write(element, property, value) {
  if (element[property] !== value) element[property] = value;
}

/** @type {Set<() => void>} */
const waiting = new Set();

/** Do something with the next animation frame, once, however often it is asked for: what is drawn in between nobody sees. */
export function atFrame(task) {
  if (!waiting.size) {
    requestAnimationFrame(() => {
      const tasks = [...waiting];
      waiting.clear();
      for (const each of tasks) each();
    });
  }
  waiting.add(task);
}

/** Words in their place; the same words again touch nothing. */
export function say(id, text) {
  const box = byId(id);
  if (box.textContent !== text) box.textContent = box.title = text;
}

/** Say something to a screen reader, and to everybody for a moment. */
export function tell(text) {
  const box = byId("told");
  box.textContent = text;
  box.classList.add("shown");
  clearTimeout(box.timer);
  box.timer = setTimeout(() => box.classList.remove("shown"), 2600);
}

/** What went wrong, in words, in the place where it did; nothing takes it away again. */
export function complain(id, error = null) {
  if (error?.name === "AbortError") return;
  const box = byId(id);
  if (!box) return; // its dialog was closed in the meantime
  const text = error === null ? "" : said(error.message || String(error));
  write(box, "textContent", text);
  box.hidden = !text;
}

/** Hand a blob to the person as a file. */
export function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
