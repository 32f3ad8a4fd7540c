// Words in the reader's language. The code has them in English; the page carries those of other languages as data
// (`tlgan/languages/*.json`). What a catalogue lacks stays English.

import { keep, recall } from "./storage.js";

/** @type {Record<string, {name: string, words: Record<string, string>, features: Record<string, string>}>} */
const CATALOGUES = JSON.parse(globalThis.document?.getElementById("languages")?.textContent ?? "{}");
const KEY = "tlgan.language"; // in the browser's own storage, where the reader chose
const SHOWN = ["title", "aria-label", "placeholder", "alt"];

/** Languages that there are, by code, each by its own name. @type {[string, string][]} */
export const LANGUAGES = [["en", "English"], ...Object.entries(CATALOGUES).map(([code, { name }]) => /** @type {[string, string]} */ ([code, name]))];
export const language = chosen() ?? "en";

const { words = {}, features = {} } = CATALOGUES[language] ?? {};

/**
 * t`face ${7}`: looked up as "face {0}".
 * @param {TemplateStringsArray} parts @param {...unknown} values @returns {string}
 */
export function t(parts, ...values) {
  const english = parts.reduce((text, part, k) => `${text}{${k - 1}}${part}`);
  return word(english).replace(/\{(\d)\}/g, (_, k) => String(values[k]));
}

/** A text that comes as data: an error, a text of the page's HTML. @param {string} text */
export const word = (text) => words[text] ?? text;

/** A number with marks between thousands. @param {number} value */
export const number = (value) => value.toLocaleString(language);

/** A list of words as people say it. @param {string[]} items */
export const both = (items) => items.reduce((all, item) => t`${all} and ${item}`);

/** What is known of a workspace, its features and groups in this language; names stay. @template T @param {T} description @returns {T} */
export function inLanguage(description) {
  const known = /** @type {any} */ (description);
  const of = (text) => features[text] ?? text;
  return {
    ...known,
    features: known.features.map((feature) => ({
      ...feature,
      english: [feature.label, feature.low, feature.high, feature.group].join(" "),
      label: of(feature.label),
      low: of(feature.low),
      high: of(feature.high),
      group: of(feature.group),
      unit: of(feature.unit),
      effects: feature.effects.map((effect) => ({ ...effect, label: of(effect.label) })),
    })),
    groups: known.groups.map((group) => ({ ...group, name: of(group.name) })),
  };
}

/** The texts of an element and of all below it. @param {Element} root */
export function translate(root) {
  if (language === "en") return;
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = /** @type {Text} */ (texts.currentNode);
    const text = node.data.trim();
    if (text in words) node.data = node.data.replace(text, words[text]);
  }
  for (const name of SHOWN) {
    for (const element of root.querySelectorAll(`[${name}]`)) element.setAttribute(name, word(element.getAttribute(name) ?? ""));
  }
  document.documentElement.lang = language;
}

/** Read on in another language: it is remembered, and the page loaded anew. @param {string} code */
export function choose(code) {
  if (keep(KEY, code)) location.reload(); // a browser that keeps nothing goes by its own languages
}

/** What the reader chose, or else the first language of the browser's that there is. */
function chosen() {
  const there = LANGUAGES.map(([code]) => code);
  const first = (tag) => there.find((code) => tag === code || tag.startsWith(`${code}-`));
  return [recall(KEY) ?? "", ...(globalThis.navigator?.languages ?? [])].map(first).find(Boolean);
}
