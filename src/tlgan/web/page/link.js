// A face as the fragment of a link: seed and edits while that suffices, the latent otherwise. Names stay readable:
// #seed=7&ask=smiling:1.4,young:-1&lock=male&exact=1&of=0f3a...
// An exact edit adds where it led (`to`), so that it looks the same elsewhere.

import { fromLong, lengthen, shorten } from "./half.js";
import { t } from "./words.js";

/** @typedef {import("./engine.js").Face} Face */

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
  const pairs = (object) => Object.entries(object).map(([name, value]) => `${name}:${value}`).join(",");
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
  const of = words.get("of");
  const { fingerprint, name } = description.generator;
  if (of && !fingerprint.startsWith(of)) throw new Error(t`That link is for another generator (${of}); this is ${name}.`);
  const known = new Set(description.features.map((feature) => feature.name));
  const check = (feature) => {
    if (!known.has(feature)) throw new Error(t`That link asks for “${feature}”, which this workspace does not have.`);
    return feature;
  };
  const numbers = (text) =>
    Object.fromEntries(
      list(text).map((item) => {
        const [feature, value] = item.split(":");
        if (!value || !Number.isFinite(Number(value))) throw new Error(t`That link is damaged at “${item}”.`);
        return [check(feature), Number(value)];
      }),
    );
  const most = description.limits.asked;
  const changes = Object.entries(numbers(words.get("ask"))).map(([feature, value]) => [feature, Math.min(most, Math.max(-most, value))]);
  /** @type {Face} */
  const face = { ...start(words, description.limits.seeds), asked: Object.fromEntries(changes), locks: list(words.get("lock")).map(check), exact: words.get("exact") === "1" };
  if (words.has("soft")) face.soft = numbers(words.get("soft"));
  if (words.get("identity") === "1") face.identity = true;
  if (words.has("to")) {
    const [quality, by] = (words.get("by") ?? "").split("-");
    face.reached = { latent: lengthen(words.get("to")), quality, by };
  }
  return face;
}

/** `at` is how links named a latent, in float32, before there was `start`. */
function start(words, seeds) {
  if (words.has("start")) return { latent: lengthen(words.get("start")) };
  if (words.has("at")) return { latent: fromLong(words.get("at")) };
  const seed = Number(words.get("seed"));
  if (!Number.isInteger(seed) || seed < 0 || seed >= seeds) throw new Error("That link is damaged: its seed is no number.");
  return { seed };
}

const list = (text) => (text ? text.split(",").filter(Boolean) : []);
