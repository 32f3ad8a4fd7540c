// What a person did, as one plain object; every gesture is a pure function from state to state. Nothing here paints,
// measures or solves.

/**
 * A face in the strip. `start` is a seed or a latent; `others`: every feature that is not asked for is locked too;
 * `guard`: exact edits lock what the sliders that were moved are known to disturb.
 * @typedef {{id: number, start: {seed: number} | {latent: string} | {photo: string}, asked: Record<string, number>, locks: string[],
 *            others: boolean, guard: boolean, exact: boolean, extras: {soft?: Record<string, number>, identity?: boolean}}} Entry
 *   `extras`: what comes with faces saved elsewhere and has no switch here; it is handed on as it is.
 * `at` is null while a face is looked at, and a place in [0, 1] on the walk from A to B otherwise.
 * @typedef {{faces: Entry[], current: number, next: number, a: Entry|null, b: Entry|null, at: number|null}} State
 * @typedef {import("./engine.js").Face} Face
 */

export const FACES = 60; // kept in the strip

/**
 * Where looks led an entry, kept beside it: an entry never changes, and a wish makes another one. So undo, recent faces,
 * A and B all come back with the picture that they had. @type {WeakMap<Entry, import("./engine.js").Reached>}
 */
const reached = new WeakMap();

/** Keep what the engine found for an entry. @param {Entry} entry @param {import("./engine.js").Reached} found */
export const arrive = (entry, { latent, quality, by }) => reached.set(entry, { latent, quality, by });

/** @param {Face} face @returns {State} */
export function begin(face) {
  return { faces: [entry(face, 1)], current: 0, next: 2, a: null, b: null, at: null };
}

/** The face that is worked on. @param {State} state */
export const current = (state) => state.faces[state.current];

/** Ask a change of one feature, in standard deviations from the face's own place; 0 takes it back. */
export function ask(state, name, value) {
  const { [name]: _, ...asked } = current(state).asked;
  const rounded = Math.round(value * 100) / 100;
  return change(state, { asked: rounded ? { ...asked, [name]: rounded } : asked });
}

/** Take everything back that was asked; locks stay. */
export const reset = (state) => change(state, { asked: {} });

/** Lock a feature, or let it go. */
export function lock(state, name) {
  const { locks } = current(state);
  return change(state, { locks: locks.includes(name) ? locks.filter((other) => other !== name) : [...locks, name] });
}

/** Keep whatever is not asked for, or stop doing so. */
export const lockOthers = (state, others) => change(state, { others });

/** Keep what the moved sliders are known to disturb, in exact mode, or leave that to the person. */
export const guard = (state, on) => change(state, { guard: on });

/** Look and correct, or trust the axes. */
export const exact = (state, on) => change(state, { exact: on });

/** A new face at the end of the strip. Locks and switches are habits of the person: they stay. */
export function addFace(state, face) {
  const { locks, others, guard, exact } = current(state);
  const fresh = { ...entry(face, state.next), locks: face.locks.length ? face.locks : locks };
  fresh.exact = face.exact || exact;
  fresh.others = !face.locks.length && others;
  fresh.guard = guard;
  const faces = [...state.faces, fresh].slice(-FACES);
  return { ...state, faces, current: faces.length - 1, next: state.next + 1, at: null };
}

/** A face exactly as it was saved, locks and all. */
export function restore(state, face) {
  const faces = [...state.faces, entry(face, state.next)].slice(-FACES);
  return { ...state, faces, current: faces.length - 1, next: state.next + 1, at: null };
}

/** Ask more of the face at hand, by a preset. @param {State} state @param {import("./link.js").Wishes} preset @returns {State} */
export function wish(state, preset) {
  const { asked, locks, exact } = preset;
  const { asked: before, locks: kept, exact: on } = current(state);
  return change(state, { asked: { ...before, ...asked }, locks: [...new Set([...kept, ...locks])], exact: on || exact });
}

/** An earlier (-1) or later (+1) face of the strip. */
export function go(state, by) {
  const index = Math.min(state.faces.length - 1, Math.max(0, state.current + by));
  return index === state.current && state.at === null ? state : { ...state, current: index, at: null };
}

/** The face with this id. */
export function choose(state, id) {
  const index = state.faces.findIndex((face) => face.id === id);
  return index < 0 ? state : { ...state, current: index, at: null };
}

/** Keep the present face as an end of the walk: "a" or "b". */
export const keep = (state, end) => ({ ...state, [end]: current(state), at: null });

/** Stand somewhere between A and B. */
export const walk = (state, at) => ({ ...state, at: Math.min(1, Math.max(0, Math.round(at * 1000) / 1000)) });

/** Go on from a place between A and B: it becomes a face of its own. */
export function adopt(state, latent) {
  return addFace(state, { latent, asked: {}, locks: [], exact: false });
}

/**
 * What the switches lock. @param {Entry} entry
 * @param {import("./engine.js").Feature[]} features  weak ones can't be kept by their axes
 * @returns {string[]}
 */
export function kept({ asked, others, guard, exact }, features) {
  const free = features.filter(({ name, weak }) => !weak && !(name in asked));
  if (others) return free.map(({ name }) => name);
  if (!guard || !exact) return [];
  const disturbed = new Set(features.filter(({ name }) => name in asked).flatMap(({ disturbs }) => disturbs ?? []));
  return free.filter(({ name }) => disturbed.has(name)).map(({ name }) => name);
}

/** A face as the engine takes it. @param {Entry} entry @param {import("./engine.js").Feature[]} features @returns {Face} */
export function toFace(entry, features) {
  const { start, asked, locks, exact, extras } = entry;
  const face = { ...start, asked, locks: [...new Set([...locks, ...kept(entry, features)])], exact, ...extras };
  return reached.has(entry) ? { ...face, reached: reached.get(entry) } : face;
}

/** What is to be seen. @param {State} state @returns {import("./engine.js").View} */
export function view(state, features) {
  if (state.at === null || !state.a || !state.b) return { face: toFace(current(state), features) };
  return { mix: { a: toFace(state.a, features), b: toFace(state.b, features), at: state.at } };
}

/** What of a state can be kept as JSON: all but photographs. @param {State} state */
export function pack({ faces, current, next, a, b }) {
  const plain = (entry) => (entry && !("photo" in entry.start) ? { ...entry, reached: reached.get(entry) } : null);
  const kept = faces.map(plain).filter(Boolean);
  const at = kept.findIndex(({ id }) => id === faces[current].id);
  return { faces: kept, current: at < 0 ? kept.length - 1 : at, next, a: plain(a), b: plain(b) };
}

/** The other way. @param {ReturnType<typeof pack>} kept @returns {State} */
export function unpack({ faces, current, next, a, b }) {
  const entry = (one) => {
    if (!one) return null;
    const { reached: found, ...made } = one;
    if (found) arrive(made, found);
    return made;
  };
  return { faces: faces.map(entry), current, next, a: entry(a), b: entry(b), at: null };
}

function entry(face, id) {
  const key = ["photo", "latent", "seed"].find((name) => face[name] !== undefined) ?? "seed";
  const start = /** @type {Entry["start"]} */ (/** @type {any} */ ({ [key]: face[key] }));
  const extras = {};
  for (const key of ["soft", "identity"]) if (face[key] !== undefined) extras[key] = face[key];
  const made = { id, start, asked: face.asked, locks: face.locks, others: false, guard: !face.locks.length && !face.exact, exact: face.exact, extras };
  if (face.reached) arrive(made, face.reached);
  return made;
}

function change(state, changes) {
  const faces = state.faces.map((face, k) => (k === state.current ? { ...face, ...changes } : face));
  return { ...state, faces, at: null };
}
