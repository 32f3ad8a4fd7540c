// From wishes to a latent: one linear solve, the same as `tlgan.editing.solve`. The shortest move u with B u = t, for the
// slopes B of what is moved, locked or a base axis, is Bᵀ (B Bᵀ)⁺ t. It is cut back where it is longer than a face
// bears, and what no wish depends on is scaled to keep the norm among those that the generator knows.

import { dot, norm } from "./axes.js";
import { eigen } from "./eigen.js";

/** @typedef {import("./axes.js").Axes} Axes */

/**
 * @typedef {{latent: Float32Array, asked: Record<string, number>, locks: string[], soft?: Record<string, number>, exact: boolean,
 *            identity?: boolean, reached?: import("../engine.js").Reached}} Edit
 * @typedef {{rows: number[], wanted: number[], weight: number[], moved: boolean[]}} Wishes
 *   `weight`: infinite for what must be, a soft lock's own otherwise
 * @typedef {{latent: Float32Array, reached: ArrayLike<number>, share: number, in_the_way: string[], by: string}} Solution
 *   `share`: the part of the wishes that was granted; `in_the_way`: the locks that cost most where that is little;
 *   `by`: what found the latent, see `Reached`
 */

/** Rows that an edit speaks of, ascending, the wanted change of each, and which were asked to move. @returns {Wishes} */
export function wishesOf(axes, edit) {
  const weight = new Map(Object.entries(edit.soft ?? {}).map(([name, value]) => [axes.index(name), value]));
  for (const name of edit.locks) weight.set(axes.index(name), Infinity);
  const moved = new Map(Object.entries(edit.asked).filter(([, value]) => value !== 0).map(([name, value]) => [axes.index(name), value]));
  if (moved.size) {
    for (const name of axes.facts.base) if (!(name in edit.asked)) weight.set(axes.index(name), Infinity);
  }
  for (const row of moved.keys()) weight.set(row, Infinity);
  const rows = [...weight.keys()].sort((a, b) => a - b);
  return {
    rows,
    wanted: rows.map((row) => moved.get(row) ?? 0),
    weight: rows.map((row) => weight.get(row)),
    moved: rows.map((row) => moved.has(row)),
  };
}

/** The latent that an edit asks for, by the axes alone. @param {Axes} axes @param {Edit} edit @returns {Solution} */
export function solve(axes, edit) {
  const wishes = wishesOf(axes, edit);
  if (!wishes.moved.some(Boolean)) return unmoved(axes, edit);
  const { noise, trust, radius } = axes.facts;
  const start = axes.whiten(edit.latent);
  const slopes = wishes.rows.map((row) => axes.slopesOf(row));
  const move = shortened(settled(axes, slopes, wishes), trust * radius);
  const end = keepInside(start, move, new Span(slopes, noise), shell(axes, start));
  return promised(axes, edit, axes.colour(end), end);
}

/** The least move [d] of wishes, with soft locks where too many lead too far. @param {Axes} axes @param {Float64Array[]} slopes @param {Wishes} wishes */
function settled(axes, slopes, wishes) {
  const { noise, hold, far, weak } = axes.facts;
  const { wanted, weight, moved } = wishes;
  const move = new Span(slopes, noise, weight).leastMove(wanted);
  const locked = weight.map((value, i) => value === Infinity && !moved[i]);
  if (2 * locked.filter(Boolean).length <= weak.filter((is) => !is).length) return move;
  const softly = new Span(slopes, noise, weight.map((value, i) => (locked[i] ? hold : value))).leastMove(wanted);
  return norm(move) <= far * norm(softly) ? move : softly;
}

/**
 * A latent as the answer to an edit: what the axes promise of it. @param {Axes} axes @param {Edit} edit
 * @param {Float32Array} latent @returns {Solution}
 */
export function promised(axes, edit, latent, end = axes.whiten(latent), by = "axes") {
  const wishes = wishesOf(axes, edit);
  const start = axes.whiten(edit.latent);
  const reached = axes.reached(end.map((value, k) => value - start[k]));
  const share = granted(wishes, wishes.rows.map((row) => reached[row]));
  const slopes = wishes.rows.map((row) => axes.slopesOf(row));
  const blocked = share < axes.facts.nearlyAll ? inTheWay(axes, wishes, new Span(slopes, axes.facts.noise, wishes.weight)) : [];
  return { latent, reached, share, in_the_way: blocked, by };
}

/** Nothing is asked: the face as it is. */
export function unmoved(axes, edit) {
  return { latent: Float32Array.from(edit.latent), reached: new Float32Array(axes.count), share: 1, in_the_way: [], by: "axes" };
}

/** What some slopes [r, d] span, and the pseudo-inverse of their Gram matrix. */
export class Span {
  /**
   * @param {ArrayLike<number>[]} slopes @param {number} noise share of the largest eigenvalue that is none
   * @param {number[]} weight of each row; all constraints where none are given
   */
  constructor(slopes, noise, weight = slopes.map(() => Infinity)) {
    this.slopes = slopes;
    const size = slopes.length;
    const gram = new Float64Array(size * size);
    slopes.forEach((row, i) => {
      for (let j = 0; j <= i; j++) gram[i * size + j] = gram[j * size + i] = dot(slopes[j], 0, row);
      gram[i * size + i] += Math.min(1 / weight[i], 1e12); // a weight of 0 is no wish at all
    });
    const { values, vectors } = eigen(gram, size);
    const floor = noise * Math.max(...values);
    const inverse = values.map((value) => (value > floor ? 1 / value : 0));
    this.inverse = vectors.map((_, at) => {
      const [i, j] = [Math.floor(at / size), at % size];
      let sum = 0;
      for (let k = 0; k < size; k++) sum += vectors[i * size + k] * inverse[k] * vectors[j * size + k];
      return sum;
    });
  }

  /** The shortest move [d] that changes the rows by `wanted`; least squares where they contradict one another. */
  leastMove(wanted) {
    const move = new Float64Array(this.slopes[0].length);
    this.slopes.forEach((row, i) => {
      const weight = dot(this.inverse, i * this.slopes.length, wanted);
      for (let k = 0; k < move.length; k++) move[k] += weight * row[k];
    });
    return move;
  }

  /** The part of a vector [d] that the rows depend on. */
  project(vector) {
    return this.leastMove(this.slopes.map((row) => dot(row, 0, vector)));
  }
}

/** The least and the largest whitened norm for an edit of `start`: normal latents fill a thin shell. */
export function shell(axes, start) {
  const { radius, white } = axes.facts;
  const length = norm(start);
  const inner = white ? 2 * Math.sqrt(axes.dim) - radius : 0;
  return [Math.max(0, Math.min(inner, length)), Math.max(radius, length)];
}

/**
 * start + move, brought to a norm in [inner, outer] by scaling what lies outside the span, else by a shorter move.
 * @param {Float64Array} start @param {ArrayLike<number>} move @param {Span} span @param {number[]} norms
 */
export function keepInside(start, move, span, [inner, outer]) {
  const point = start.map((value, k) => value + move[k]);
  const length = norm(point);
  if (length >= inner && length <= outer) return point;
  const bound = span.project(point);
  const free = point.map((value, k) => value - bound[k]);
  const target = length < inner ? inner : outer;
  const left = target ** 2 - dot(bound, 0, bound);
  const freeLength = norm(free);
  if (left > 0 && 0.5 * freeLength < Math.sqrt(left) && Math.sqrt(left) < 2 * freeLength) {
    return bound.map((value, k) => value + (free[k] * Math.sqrt(left)) / freeLength);
  }
  const [a, b, c] = [dot(move, 0, move), 2 * dot(start, 0, move), dot(start, 0, start) - target ** 2];
  const root = Math.sqrt(Math.max(b * b - 4 * a * c, 0));
  const ways = [(-b - root) / (2 * a), (-b + root) / (2 * a)].filter((way) => way >= 0 && way <= 1);
  const way = Math.max(0, ...ways);
  return start.map((value, k) => value + way * move[k]);
}

/** The part in [0, 1] of an edit's wishes that a measured change [f] holds. */
export function shareOf(axes, edit, change) {
  const wishes = wishesOf(axes, edit);
  return wishes.moved.some(Boolean) ? granted(wishes, wishes.rows.map((row) => change[row])) : 1;
}

/** The part in [0, 1] of the wanted change that `changed` [r] holds, along the direction that was wanted. */
export function granted({ wanted, moved }, changed) {
  const rows = wanted.map((_, k) => k).filter((k) => moved[k]);
  let part = 0;
  let whole = 0;
  for (const k of rows) {
    part += wanted[k] * changed[k];
    whole += wanted[k] ** 2;
  }
  return Math.min(1, Math.max(0, part / Math.max(whole, 1e-12)));
}

/**
 * The locks without which the move would be shorter by more than a share, the costliest first. Leaving row r out of a
 * move of squared length tᵀK⁻¹t lowers it by α_r² / (K⁻¹)_rr, for α = K⁻¹t.
 */
export function inTheWay(axes, { rows, wanted, moved }, { inverse }) {
  const size = rows.length;
  const multipliers = rows.map((_, i) => dot(inverse, i * size, wanted));
  const squared = Math.max(dot(multipliers, 0, wanted), 1e-12);
  const found = rows.map((row, i) => {
    const saved = multipliers[i] ** 2 / Math.max(inverse[i * size + i], 1e-12) / squared;
    return { name: axes.names[row], shorter: moved[i] ? 0 : 1 - Math.sqrt(1 - Math.min(1, Math.max(0, saved))) };
  });
  return found.filter(({ shorter }) => shorter > axes.facts.inTheWay).sort((a, b) => b.shorter - a.shorter).map(({ name }) => name);
}

/** A move no longer than `longest`. */
export function shortened(move, longest) {
  const share = Math.min(1, longest / Math.max(norm(move), 1e-12));
  return move.map((value) => value * share);
}

/** A place on the way from `start` to `end`: the direction is interpolated, and the whitened norm too. */
export function between(axes, start, end, place) {
  const [a, b] = [axes.whiten(start), axes.whiten(end)];
  const line = a.map((value, k) => (1 - place) * value + place * b[k]);
  const wanted = (1 - place) * norm(a) + place * norm(b);
  const length = Math.max(norm(line), 1e-12);
  return axes.colour(line.map((value) => (value * wanted) / length));
}
