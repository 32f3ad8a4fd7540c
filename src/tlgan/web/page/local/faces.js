// Faces as they travel (in links, in PNGs, between page and worker) and as the algebra takes them. What comes in may come
// from a stranger's file: every name, number and size is checked, and another generator is refused by name. What a state
// holds, and its limits, are those of `tlgan.editing.state` and come with the axes.

/** @typedef {import("../engine.js").Face} Face */
/** @typedef {import("../engine.js").Reached} Reached */
/** @typedef {import("./axes.js").Axes} Axes */

/** All that a file must hold to bring a face back: the same as `to_json`. @param {Axes} axes @param {Face} face */
export function toState(axes, face, latent) {
  const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    version: axes.facts.state.version,
    generator: axes.facts.generator,
    space: axes.facts.space,
    seed: face.latent === undefined ? face.seed : null,
    latent: Array.from(latent, (value) => Number(value.toPrecision(9))),
    asked: sorted(face.asked),
    locks: [...face.locks].sort(),
    soft: sorted(face.soft ?? {}),
    exact: face.exact,
    identity: face.identity ?? false,
    reached: face.reached ?? null,
  };
}

/** The other way; version 1 held nothing reached. @param {Axes} axes @param {any} state @returns {Face} */
export function fromState(axes, state) {
  const { generator, space } = axes.facts;
  const { read, latent: most } = axes.facts.state;
  if (typeof state !== "object" || state === null) throw new Error("That is no saved face.");
  if (!read.includes(state.version)) throw new Error(`That face was saved as version ${short(state.version)}; this page reads ${read.join(" and ")}.`);
  if (state.generator !== generator) {
    throw new Error(`That face was made by another generator (${short(state.generator)}); this is ${generator.slice(0, 12)}.`);
  }
  if (state.space !== space) throw new Error(`That face lives in space ${short(state.space)}, these sliders in ${space}.`);
  if (!Array.isArray(state.latent) || state.latent.length !== axes.dim) throw new Error(`That face has no latent of ${axes.dim} numbers.`);
  const latent = Float32Array.from(state.latent, (value) => number(value, most, "a coordinate of its latent"));
  const asked = wishes(axes, state.version > 1 ? state : { ...state, reached: undefined });
  const { seed = null } = state;
  if (Number.isInteger(seed) && seed >= 0 && seed < axes.facts.state.seeds) return { seed, ...asked };
  return { latent: encode(latent), ...asked };
}

/** A face of the page, checked. @param {Axes} axes @param {any} face @returns {Face} */
export function check(axes, face) {
  const asked = wishes(axes, face);
  if (face.latent !== undefined) return { latent: encode(decode(face.latent, axes.dim)), ...asked };
  return { seed: seed(axes, face.seed), ...asked };
}

/** A seed, checked. @param {Axes} axes */
export function seed(axes, value) {
  const { seeds } = axes.facts.state;
  if (!Number.isInteger(value) || value < 0 || value >= seeds) throw new Error(`${short(value)} is no seed: use a whole number from 0 to ${seeds - 1}.`);
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

/** What is asked of a face, and where it led. Only what is there comes back. @param {Axes} axes */
function wishes(axes, { asked = {}, locks = [], soft = {}, exact = false, identity = false, reached = null }) {
  const most = axes.facts.state;
  if (!Array.isArray(locks) || locks.length > axes.count) throw new Error("That face is damaged: its locks are no list.");
  for (const name of locks) axes.index(name);
  const changes = numbers(axes, asked, most.asked, "the change of").filter(([, value]) => value !== 0);
  const weights = numbers(axes, soft, most.weight, "the weight of");
  if (weights.some(([, weight]) => weight <= 0)) throw new Error("That face is damaged: a soft lock has no weight.");
  for (const [name, value] of Object.entries({ exact, identity })) {
    if (typeof value !== "boolean") throw new Error(`That face is damaged: ${name} is neither true nor false.`);
  }
  return {
    asked: Object.fromEntries(changes),
    locks: [...new Set(locks)],
    exact,
    ...(weights.length && { soft: Object.fromEntries(weights) }),
    ...(identity && { identity }),
    ...(reached !== null && { reached: checkedReached(axes, reached) }),
  };
}

/** @returns {[string, number][]} */
function numbers(axes, object, most, what) {
  if (typeof object !== "object" || object === null || Array.isArray(object)) throw new Error("That face is damaged: its wishes are no list.");
  for (const name of Object.keys(object)) axes.index(name);
  return Object.entries(object).map(([name, value]) => [name, number(value, most, `${what} “${name}”`)]);
}

/** @returns {Reached} */
function checkedReached(axes, { latent, quality, by }) {
  const { looks, state } = axes.facts;
  if (!Object.hasOwn(looks, quality) || !state.by.includes(by)) throw new Error("That face is damaged: how its latent was reached is unknown.");
  for (const value of decode(latent, axes.dim)) number(value, state.latent, "a coordinate of the latent it reached");
  return { latent, quality, by };
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
