// Edits that do what they say: look at the picture, see what the move really did, correct, look again. The same
// iteration as `tlgan.editing.refine` where nothing can be differentiated: the slopes start as the axes' own and learn
// from every look (Broyden 1965).

import { dot, norm } from "./axes.js";
import { Span, granted, inTheWay, keepInside, shell, shortened, unmoved, wishesOf } from "./solve.js";

/** @typedef {import("./axes.js").Axes} Axes */
/** @typedef {import("./solve.js").Edit} Edit */

/**
 * What is seen of a latent's picture, each [f]: `plain`, where its features stand; `mean`, the same averaged over views.
 * @typedef {{plain: Float32Array, mean: Float32Array}} Look
 */

/**
 * The latent at which the picture, measured, shows what an edit asks for: the best of the points looked at.
 * @param {Axes} axes @param {Edit} edit
 * @param {(latent: Float32Array) => Promise<Look>} look
 * @param {number} looks corrections; each costs one look, and so do the beginning and the first move
 * @returns {Promise<import("./solve.js").Solution>}
 */
export async function refine(axes, edit, look, looks) {
  const wishes = wishesOf(axes, edit);
  if (!wishes.moved.some(Boolean)) return unmoved(axes, edit);
  const { trust, radius, step, noise, target, enough } = axes.facts;
  const { rows, wanted, weight, moved } = wishes;
  const counts = moved.map((is, i) => (is ? target : Math.min(weight[i], 1)));
  const start = axes.whiten(edit.latent);
  const norms = shell(axes, start);
  const see = async (point) => {
    const { plain, mean } = await look(axes.colour(point));
    return { point, plain, here: rows.map((row) => mean[row]) };
  };
  const own = await see(start);
  let best = own;
  let slopes = rows.map((row) => Float64Array.from(axes.slopesOf(row)));
  let least = Infinity;
  let believed = step;

  const corrected = () => {
    const soFar = minus(best.point, start);
    const goal = wanted.map((value, i) => value - (best.here[i] - own.here[i]) + dot(slopes[i], 0, soFar));
    const whole = shortened(new Span(slopes, noise, weight).leastMove(goal), trust * radius);
    const turn = shortened(minus(whole, soFar), believed);
    return keepInside(start, soFar.map((value, k) => value + turn[k]), new Span(slopes, noise), norms);
  };

  for (let turn = 0; turn <= looks; turn++) {
    const now = await see(corrected());
    const error = wanted.map((value, i) => now.here[i] - own.here[i] - value);
    const miss = error.reduce((sum, value, i) => sum + counts[i] * value ** 2, 0);
    // a step that failed still teaches what the slopes are
    slopes = learned(slopes, minus(now.point, best.point), now.here.map((value, i) => value - best.here[i]));
    const better = miss < least;
    if (better) best = now;
    least = Math.min(miss, least);
    believed = better ? Math.min(1.5 * believed, step) : believed / 3;
  }
  const reached = best.plain.map((value, k) => value - own.plain[k]);
  const share = granted(wishes, rows.map((row) => reached[row]));
  const blocked = share < enough ? inTheWay(axes, wishes, new Span(slopes, noise, weight)) : [];
  return { latent: axes.colour(best.point), reached, share, in_the_way: blocked, by: "looks" };
}

/** Slopes [r, d] changed least so that they explain the measured change [r] of a step [d]. */
function learned(slopes, step, change) {
  const squared = Math.max(norm(step) ** 2, 1e-12);
  return slopes.map((row, i) => {
    const unexplained = (change[i] - dot(row, 0, step)) / squared;
    return row.map((value, k) => value + unexplained * step[k]);
  });
}

const minus = (one, other) => one.map((value, k) => value - other[k]);
