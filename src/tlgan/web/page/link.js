// A face as the fragment of a link: seed and edits while that suffices, the latent otherwise. Names stay readable:
// #seed=7&ask=smiling:1.4,young:-1&lock=male&exact=1&of=0f3a...
// An exact edit adds where it led (`to`), so that it looks the same elsewhere.

import { fromLong, lengthen, shorten } from "./half.js";
import { t } from "./words.js";

/** @typedef {import("./engine.js").Face} Face */
/** @typedef {Pick<Face, "asked" | "locks" | "exact">} Wishes */

const MARK = 12; // letters of the generator's fingerprint in the link
/** Letters of a fragment. Browsers take far more; a message holds 4096 on Telegram and WhatsApp, 2000 on Discord. */
export const MOST = 3900;

/**
 * What an exact edit reached is left out where the link would be too long: see `whole`.
 * @param {Face} face @param {string} fingerprint
 */
export function write(face, fingerprint) {
  if (isPhotograph(face)) throw new Error(t`No link holds a photograph: save the picture, and send that.`);
  const parts = [face.latent === undefined ? `seed=${face.seed}` : `start=${shorten(face.latent)}`];
  if (Object.keys(face.asked).length) parts.push(`ask=${pairs(face.asked)}`);
  if (face.locks.length) parts.push(`lock=${face.locks.join(",")}`);
  if (Object.keys(face.soft ?? {}).length) parts.push(`soft=${pairs(face.soft)}`);
  if (face.exact) parts.push("exact=1");
  if (face.identity) parts.push("identity=1");
  parts.push(`of=${fingerprint.slice(0, MARK)}`);
  const open = `#${parts.join("&")}`;
  if (!needsReached(face)) return open;
  const { latent, quality, by } = face.reached;
  const closed = `${open}&to=${shorten(latent)}&by=${quality}-${by}`;
  return closed.length <= MOST ? closed : open;
}

/** Whether a face, or a place on the way to one, is somebody's photograph. @param {Face} face */
export const isPhotograph = ({ photo }) => photo !== undefined;

/** Whether a link holds all that its face looks like. @param {Face} face @param {string} fragment */
export const whole = (face, fragment) => !needsReached(face) || fragment.includes("&to=");

/** One linear solve is the same everywhere; where looks, or layers, have led has to be said. @param {Face} face */
const needsReached = ({ reached }) => reached !== undefined && reached.by !== "axes";

/**
 * The face of a fragment, or null where it names none; an Error in words for one that can't be meant for this page.
 * @param {string} fragment @param {import("./engine.js").Description} description @returns {Face|null}
 */
export function read(fragment, description) {
  const words = new URLSearchParams(fragment.replace(/^#/, ""));
  if (!["seed", "start", "at"].some((name) => words.has(name))) return null;
  const wishes = reader(words, description);
  /** @type {Face} */
  const face = { ...start(words, description.limits.seeds), ...wishes.all() };
  if (words.has("soft")) face.soft = wishes.numbers("soft");
  if (words.get("identity") === "1") face.identity = true;
  if (words.has("to")) {
    const [quality, by] = (words.get("by") ?? "").split("-");
    face.reached = { latent: lengthen(words.get("to")), quality, by };
  }
  return face;
}

/** A preset in a link: what it asks, of whatever face is there. @param {string} name @param {Wishes} wishes @param {string} fingerprint */
export function writePreset(name, { asked, locks, exact }, fingerprint) {
  const words = new URLSearchParams({ preset: name, ask: pairs(asked) });
  if (locks.length) words.set("lock", locks.join(","));
  if (exact) words.set("exact", "1");
  words.set("of", fingerprint.slice(0, MARK));
  return `#${words}`;
}

/** The preset of a fragment, null where it has none; an Error as `read`. @param {string} fragment
 *  @param {import("./engine.js").Description} description @returns {(Wishes & {name: string}) | null} */
export function readPreset(fragment, description) {
  const words = new URLSearchParams(fragment.replace(/^#/, ""));
  const name = words.get("preset");
  return name ? { name: name.slice(0, 60), ...reader(words, description).all() } : null;
}

/** What the words of a link ask for, checked against a workspace. @param {URLSearchParams} words
 *  @param {import("./engine.js").Description} description */
function reader(words, { generator: { fingerprint, name }, features, limits }) {
  const of = words.get("of");
  if (of && !fingerprint.startsWith(of)) throw new Error(t`That link is for another generator (${of}); this is ${name}.`);
  const known = new Set(features.map((feature) => feature.name));
  const check = (feature) => {
    if (!known.has(feature)) throw new Error(t`That link asks for “${feature}”, which this workspace does not have.`);
    return feature;
  };
  const numbers = (key) =>
    Object.fromEntries(
      list(words.get(key)).map((item) => {
        const [feature, value] = item.split(":");
        if (!value || !Number.isFinite(Number(value))) throw new Error(t`That link is damaged at “${item}”.`);
        return [check(feature), Number(value)];
      }),
    );
  const within = ([feature, value]) => [feature, Math.min(limits.asked, Math.max(-limits.asked, value))];
  return {
    numbers,
    /** @returns {Wishes} */
    all: () => ({ asked: Object.fromEntries(Object.entries(numbers("ask")).map(within)), locks: list(words.get("lock")).map(check), exact: words.get("exact") === "1" }),
  };
}

const pairs = (object) => Object.entries(object).map(([name, value]) => `${name}:${value}`).join(",");

/** `at` is how links named a latent, in float32, before there was `start`. */
function start(words, seeds) {
  if (words.has("start")) return { latent: lengthen(words.get("start")) };
  if (words.has("at")) return { latent: fromLong(words.get("at")) };
  const seed = Number(words.get("seed"));
  if (!Number.isInteger(seed) || seed < 0 || seed >= seeds) throw new Error("That link is damaged: its seed is no number.");
  return { seed };
}

const list = (text) => (text ? text.split(",").filter(Boolean) : []);
