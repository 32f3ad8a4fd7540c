// Undo and redo over whole states. Steps of one gesture share a key and become one step, however many frames it painted.

const DEPTH = 300;

/** @template T @typedef {{past: T[], present: T, future: T[], key: string|null}} History */

/** @template T @param {T} present @returns {History<T>} */
export const begin = (present) => ({ past: [], present, future: [], key: null });

/** Go on to `next`; the same `key` as before replaces the last step instead of adding one. */
export function step(history, next, key = null) {
  if (next === history.present) return history;
  const past = key !== null && key === history.key ? history.past : [...history.past, history.present].slice(-DEPTH);
  return { past, present: next, future: [], key };
}

/** The gesture is over: what comes next is a new step. One that led nowhere leaves no trace. */
export function settle(history) {
  if (history.key === null) return history;
  const before = history.past.at(-1);
  const nothing = before !== undefined && JSON.stringify(before) === JSON.stringify(history.present);
  return { ...history, past: nothing ? history.past.slice(0, -1) : history.past, key: null };
}

export function undo(history) {
  const { past, present, future } = settle(history);
  if (!past.length) return settle(history);
  return { past: past.slice(0, -1), present: past.at(-1), future: [present, ...future], key: null };
}

export function redo(history) {
  const { past, present, future } = settle(history);
  if (!future.length) return settle(history);
  return { past: [...past, present], present: future[0], future: future.slice(1), key: null };
}
