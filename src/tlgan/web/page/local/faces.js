// Faces as they travel (in links, in PNGs, between page and worker) and as the algebra takes them. What comes in may come
// from a stranger's file: every name, number and size is checked, and another generator is refused by name.

const VERSION = 1;
const MOST_ASKED = 100;
const MOST_LATENT = 1e4;
const SEEDS = 2 ** 31;

/** @typedef {import("../engine.js").Face} Face */
/** @typedef {import("./axes.js").Axes} Axes */

/** All that a file must hold to bring a face back: the same as `tlgan.editing.state.to_json`. */
export function toState(axes, face, latent) {
  const sorted = (names) => [...names].sort();
  return {
    version: VERSION,
    generator: axes.facts.generator,
    space: axes.facts.space,
    seed: face.latent === undefined ? face.seed : null,
    latent: Array.from(latent, (value) => Number(value.toPrecision(9))),
    asked: Object.fromEntries(sorted(Object.keys(face.asked)).map((name) => [name, face.asked[name]])),
    locks: sorted(face.locks),
    soft: {},
    exact: face.exact,
    identity: false,
  };
}

/** The other way. @param {Axes} axes @param {any} state @returns {Face} */
export function fromState(axes, state) {
  const { generator, space } = axes.facts;
  if (typeof state !== "object" || state === null) throw new Error("That is no saved face.");
  if (state.version !== VERSION) throw new Error(`That face was saved as version ${short(state.version)}; this page reads version ${VERSION}.`);
  if (state.generator !== generator) {
    throw new Error(`That face was made by another generator (${short(state.generator)}); this is ${generator.slice(0, 12)}.`);
  }
  if (state.space !== space) throw new Error(`That face lives in space ${short(state.space)}, these sliders in ${space}.`);
  if (!Array.isArray(state.latent) || state.latent.length !== axes.dim) throw new Error(`That face has no latent of ${axes.dim} numbers.`);
  const latent = Float32Array.from(state.latent, (value) => number(value, MOST_LATENT, "a coordinate of its latent"));
  const { asked, locks } = wishes(axes, state);
  const { seed = null, exact = false } = state;
  if (typeof exact !== "boolean") throw new Error("That face is damaged: exact is neither true nor false.");
  if (Number.isInteger(seed) && seed >= 0 && seed < SEEDS) return { seed, asked, locks, exact };
  return { latent: encode(latent), asked, locks, exact };
}

/** A face of the page, checked. @param {Axes} axes @param {any} face @returns {Face} */
export function check(axes, face) {
  const { asked, locks } = wishes(axes, face);
  const exact = face.exact === true;
  if (face.latent !== undefined) return { latent: encode(decode(face.latent, axes.dim)), asked, locks, exact };
  return { seed: seed(face.seed), asked, locks, exact };
}

/** A seed, checked. */
export function seed(value) {
  if (!Number.isInteger(value) || value < 0 || value >= SEEDS) throw new Error(`${short(value)} is no seed: use a whole number from 0 to ${SEEDS - 1}.`);
  return value;
}

/** float32 [d] -> base64 of its little-endian bytes. @param {Float32Array} latent */
export function encode(latent) {
  return btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(latent).buffer)));
}

/** The other way. @returns {Float32Array} [size] */
export function decode(text, size) {
  if (typeof text !== "string" || text.length > 8 * size + 8) throw new Error(`That latent is not ${size} numbers.`);
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error("That latent is damaged.");
  }
  if (bytes.length !== 4 * size) throw new Error(`That latent has ${bytes.length} bytes; ${4 * size} are expected.`);
  const latent = new Float32Array(bytes.buffer);
  if (!latent.every(Number.isFinite)) throw new Error("That latent holds numbers that are not finite.");
  return latent;
}

function wishes(axes, { asked = {}, locks = [] }) {
  if (typeof asked !== "object" || asked === null || Array.isArray(asked)) throw new Error("That face is damaged: its wishes are no list.");
  if (!Array.isArray(locks) || locks.length > axes.count) throw new Error("That face is damaged: its locks are no list.");
  for (const name of [...Object.keys(asked), ...locks]) axes.index(name);
  const changes = Object.entries(asked).map(([name, value]) => [name, number(value, MOST_ASKED, `the change of “${name}”`)]);
  return { asked: Object.fromEntries(changes.filter(([, value]) => value !== 0)), locks: [...new Set(locks)] };
}

function number(value, most, what) {
  if (typeof value !== "number" || !Number.isFinite(value) || Math.abs(value) > most) {
    throw new Error(`That face is damaged: ${what} is ${short(value)}.`);
  }
  return value;
}

function short(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 24 ? text : `${text.slice(0, 21)}...`;
}
