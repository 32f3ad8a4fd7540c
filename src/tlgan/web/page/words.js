// Words in the reader's language. The code has them in English; the page carries those of other languages as data
// (`tlgan/languages/*.json`). What a catalogue lacks stays English.

import { keep, recall } from "./storage.js";

/** @type {Record<string, {name: string, words: Record<string, string>, errors: Record<string, string>, features: Record<string, string>}>} */
const CATALOGUES = JSON.parse(globalThis.document?.getElementById("languages")?.textContent ?? "{}");
const KEY = "tlgan.language"; // in the browser's own storage, where the reader chose
const SHOWN = ["title", "aria-label", "placeholder", "alt"];

/** Languages that there are, by code, each by its own name. @type {[string, string][]} */
export const LANGUAGES = [["en", "English"], ...Object.entries(CATALOGUES).map(([code, { name }]) => /** @type {[string, string]} */ ([code, name]))];
export const language = chosen() ?? "en";

const { words = {}, errors = {}, features = {} } = CATALOGUES[language] ?? {};

/** What a server may refuse, those that say most first: "{0} is a number" must not take what a longer one means. */
const refused = Object.entries(errors)
  .sort(([a], [b]) => literal(b) - literal(a))
  .map(([english, text]) => /** @type {[RegExp, string]} */ ([pattern(english), text]));

/**
 * t`face ${7}`: looked up as "face {0}".
 * @param {TemplateStringsArray} parts @param {...unknown} values @returns {string}
 */
export function t(parts, ...values) {
  const english = parts.reduce((text, part, k) => `${text}{${k - 1}}${part}`);
  return word(english).replace(/\{(\d)\}/g, (_, k) => String(values[k]));
}

/** A text that comes as data: a text of the page's HTML, or of another script. @param {string} text */
export const word = (text) => words[text] ?? text;

/**
 * What went wrong, as a script or the server says it in English. What stands in the gaps of a refusal may be one itself.
 * @param {string} text @returns {string}
 */
export function said(text) {
  if (text in words) return words[text];
  for (const [english, translated] of refused) {
    const gaps = english.exec(text)?.groups;
    if (gaps || english.test(text)) return translated.replace(/\{(\d)\}/g, (_, k) => said(gaps?.[`gap${k}`] ?? ""));
  }
  return text;
}

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

/** How much of a text with gaps is given. @param {string} english */
function literal(english) {
  return english.replace(/\{\d\}/g, "").length;
}

/** What a text with gaps looks like once they are filled; a gap that comes again holds the same. @param {string} english */
function pattern(english) {
  const seen = new Set();
  const parts = english.split(/\{(\d)\}/).map((part, k) => {
    if (k % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
    if (seen.has(part)) return `\\k<gap${part}>`;
    seen.add(part);
    return `(?<gap${part}>.+?)`;
  });
  return new RegExp(`^${parts.join("")}$`, "s");
}
