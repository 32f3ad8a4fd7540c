// Edits that do what they say: look at the picture, see what the move really did, correct, look again. The same
// iteration as `tlgan.editing.refine` where nothing can be differentiated: the slopes start as the axes' own and learn
// from every look (Broyden 1965).

import { dot, norm } from "./axes.js";
import { Span, granted, inTheWay, keepInside, shell, shortened, unmoved, wishesOf } from "./solve.js";

/** @typedef {import("./axes.js").Axes} Axes */
/** @typedef {import("./solve.js").Edit} Edit */

const ENOUGH = 0.9; // what was granted to less than this share is worth a word about what stands in the way

/**
 * The latent at which the picture, measured, shows what an edit asks for: the best of the points looked at.
 * @param {Axes} axes @param {Edit} edit
 * @param {(latent: Float32Array) => Promise<Float32Array>} look where the features of a latent's picture stand: [f]
 * @param {number} looks corrections; each costs one look, and so does the beginning
 * @returns {Promise<import("./solve.js").Solution>}
 */
export async function refine(axes, edit, look, looks) {
  const wishes = wishesOf(axes, edit);
  if (!wishes.moved.some(Boolean)) return unmoved(axes, edit);
  const { trust, radius, step, noise } = axes.facts;
  const { rows, wanted } = wishes;
  const start = axes.whiten(edit.latent);
  const norms = shell(axes, start);
  let slopes = rows.map((row) => Float64Array.from(axes.slopesOf(row)));

  const see = async (point) => {
    const all = await look(axes.colour(point));
    return { all, here: rows.map((row) => all[row]) };
  };
  const corrected = (point, seen) => {
    const soFar = point.map((value, k) => value - start[k]);
    const goal = wanted.map((value, i) => value - (seen.here[i] - own.here[i]) + dot(slopes[i], 0, soFar));
    const span = new Span(slopes, noise);
    const whole = shortened(span.leastMove(goal), trust * radius);
    const turn = shortened(whole.map((value, k) => value - soFar[k]), step);
    return keepInside(start, soFar.map((value, k) => value + turn[k]), span, norms);
  };

  const own = await see(start);
  let [before, seen] = [start, own];
  let point = corrected(start, own);
  let best = { point: start, seen: own, miss: Infinity };
  for (let turn = 0; turn <= looks; turn++) {
    const now = await see(point);
    const moved = point.map((value, k) => value - before[k]);
    slopes = learned(slopes, moved, now.here.map((value, i) => value - seen.here[i]));
    seen = now;
    const miss = wanted.reduce((sum, value, i) => sum + (now.here[i] - own.here[i] - value) ** 2, 0);
    if (miss < best.miss) best = { point, seen: now, miss };
    if (turn < looks) [before, point] = [point, corrected(point, seen)];
  }
  const reached = best.seen.all.map((value, k) => value - own.all[k]);
  const share = granted(wishes, rows.map((row) => reached[row]));
  const blocked = share < ENOUGH ? inTheWay(axes, wishes, new Span(slopes, noise)) : [];
  return { latent: axes.colour(best.point), reached, share, in_the_way: blocked };
}

/** Slopes [r, d] changed least so that they explain the measured change [r] of a step [d]. */
function learned(slopes, step, change) {
  const squared = Math.max(norm(step) ** 2, 1e-12);
  return slopes.map((row, i) => {
    const unexplained = (change[i] - dot(row, 0, step)) / squared;
    return row.map((value, k) => value + unexplained * step[k]);
  });
}
