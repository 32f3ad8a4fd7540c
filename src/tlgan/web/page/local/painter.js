// Paints and measures faces: what the server's painter does, with the networks in this browser.

import { Axes } from "./axes.js";
import { check, decode, encode, fromState, seed, toState } from "./faces.js";
import { sampleLatent } from "./latents.js";
import { openNetworks } from "./networks.js";
import { refine } from "./refine.js";
import { read } from "./safetensors.js";
import { between, promised, shareOf, solve, wishesOf } from "./solve.js";

const REMEMBERED = 512; // faces whose own place is kept, and edits whose solution is
/** Without gradients a look costs little, so this page waits for what files are made of. */
export const QUALITY = "final";

/** @typedef {import("../engine.js").Face} Face */
/** @typedef {{picture: Float32Array, measured: (number|null)[]|null, own: (number|null)[]|null, reached: number[], share: number,
 *             latent: Float32Array}} Measured */

export class Painter {
  /** @param {import("./site.js").Site} site @param {import("./networks.js").Networks} networks @param {ReturnType<typeof read>} tensors */
  constructor(site, networks, tensors) {
    this.site = site;
    this.networks = networks;
    this.tensors = tensors;
    this.axes = new Axes(site.facts, tensors);
    /** @type {Map<string, (number|null)[]>} */
    this.owns = new Map();
    this.starts = new Map();
    this.solutions = new Map();
  }

  /** @param {import("./site.js").Site} site @param {string} [backend] */
  static async open(site, backend) {
    const [networks, data] = await Promise.all([openNetworks(site, backend), site.bytes("axes")]);
    return new Painter(site, networks, read(data));
  }

  // -- where a face stands -------------------------------------------------------------------------------------------

  /** Row `row` of the latents of a seed, in the space of the axes. @returns {Promise<Float32Array>} */
  async draw(from, row) {
    const { scale, latentDim } = this.axes.facts;
    const z = sampleLatent(from, row, latentDim);
    if (this.axes.facts.space !== "z") return this.networks.map(z);
    return scale === 1 ? z : z.map((value) => value * Math.fround(scale));
  }

  /** The face as it was, before edits. @param {Face} face @returns {Promise<Float32Array>} */
  async start(face) {
    if (face.latent !== undefined) return decode(face.latent, this.axes.dim);
    const known = this.starts.get(face.seed);
    if (known) return known;
    const latent = await this.draw(seed(this.axes, face.seed), 0);
    return remember(this.starts, face.seed, latent);
  }

  /** @param {Face} given @returns {Promise<import("./solve.js").Edit>} */
  async edit(given) {
    const face = check(this.axes, given);
    return { ...face, latent: await this.start(face) };
  }

  /** The latent that a face's edits lead to. @param {Face} face @returns {Promise<Float32Array>} */
  async place(face) {
    return (await this.solution(await this.edit(face))).latent;
  }

  /** Whether pictures have to be looked at before it is known where an edit leads, of features that can be measured here. */
  closes(edit) {
    if (!edit.exact || edit.reached || !this.networks.measures || !Object.keys(edit.asked).length) return false;
    return wishesOf(this.axes, edit).rows.every((row) => this.axes.facts.columns[row] >= 0);
  }

  /** What is known without a look: what was reached already, or else what the axes say. */
  atOnce(edit) {
    if (!edit.reached) return solve(this.axes, edit);
    return promised(this.axes, edit, decode(edit.reached.latent, this.axes.dim), undefined, edit.reached.by);
  }

  /** Where an edit leads: the same as `tlgan.editing.resolve` has it without gradients; what looks found is kept. */
  async solution(edit) {
    if (!this.closes(edit)) return this.atOnce(edit);
    if (edit.identity) throw new Error("Keeping who it is takes gradients, which this page does not have: switch exact off, or edit this face in the studio.");
    const key = JSON.stringify([encode(edit.latent), Object.entries(edit.asked).sort(), [...edit.locks].sort(), Object.entries(edit.soft ?? {}).sort()]);
    const found = this.solutions.get(key) ?? (await refine(this.axes, edit, (latent) => this.look(latent), this.axes.facts.looks[QUALITY]));
    return remember(this.solutions, key, found);
  }

  /** A place on the walk between two faces. */
  async mix({ a, b, at }) {
    if (typeof at !== "number" || !(at >= 0 && at <= 1)) throw new Error("A place on the walk lies between 0 and 1.");
    return between(this.axes, await this.place(a), await this.place(b), at);
  }

  // -- what is seen there --------------------------------------------------------------------------------------------

  /** Where the extractors see a picture: [f], null where one can't run here. @returns {Promise<(number|null)[]>} */
  async measured(picture) {
    if (!this.networks.measures) return this.axes.names.map(() => null);
    const positions = await this.positions(picture);
    return this.axes.facts.columns.map((column, k) => (column < 0 ? null : round(positions[k])));
  }

  /** The same, unrounded, NaN where there is nothing to be seen. @returns {Promise<Float32Array>} */
  async positions(picture) {
    const { columns } = this.axes.facts;
    const responses = await this.networks.measure(picture);
    return this.axes.positions(columns.map((column) => (column < 0 ? NaN : responses[column])));
  }

  /** What an exact edit sees: the picture, and the mean over it and its mirror image, for features that are the same there. */
  async look(latent) {
    const picture = await this.networks.paint(latent);
    const { width } = this.axes.facts.picture;
    const plain = await this.positions(picture);
    const other = await this.positions(mirrored(picture, width));
    const { symmetric } = this.axes.facts;
    return { plain, mean: plain.map((value, k) => (symmetric[k] ? (value + other[k]) / 2 : value)) };
  }

  /** Where the unedited face is seen, if that is known already. */
  ownOf(latent) {
    return this.owns.get(encode(latent));
  }

  /** Where the unedited face is seen. */
  async own(latent) {
    return this.ownOf(latent) ?? this.keepOwn(latent, await this.measured(await this.networks.paint(latent)));
  }

  keepOwn(latent, measured) {
    return remember(this.owns, encode(latent), measured);
  }

  // -- faces to start from -------------------------------------------------------------------------------------------

  /** Sampled latents nearest to wanted places, in standard deviations: nearest first. */
  async nearest(wanted, count) {
    const { samples } = this.axes.facts;
    const seen = this.tensors.samples.values;
    const wishes = Object.entries(wanted).map(([name, value]) => [this.axes.index(name), value]);
    const far = Array.from({ length: samples.rows }, (_, row) => {
      let sum = 0;
      for (const [column, value] of wishes) sum += (seen[row * this.axes.count + column] * samples.step - value) ** 2;
      return [sum, row];
    });
    far.sort(([a, i], [b, j]) => a - b || i - j);
    return Promise.all(far.slice(0, count).map(([, row]) => this.draw(samples.seed, row)));
  }

  async state(face) {
    const edit = await this.edit(face);
    const { latent, by } = await this.solution(edit);
    const reached = edit.reached ?? { latent: encode(latent), quality: QUALITY, by };
    return toState(this.axes, { ...check(this.axes, face), reached }, edit.latent);
  }

  /** The part of an edit's wishes that a measured change [f] holds, null where it can't be told. */
  share(edit, change) {
    const known = wishesOf(this.axes, edit).rows.every((row) => change[row] !== null);
    return known ? shareOf(this.axes, edit, change) : null;
  }

  /** A saved state as a face; one that is not what its seed draws here is kept by its latent. */
  async opened(state) {
    const face = fromState(this.axes, state);
    if (face.latent !== undefined) return face;
    const drawn = await this.start(face);
    const same = drawn.every((value, k) => Math.abs(value - state.latent[k]) <= 1e-4 * (1 + Math.abs(value)));
    const { seed: _, ...rest } = face;
    return same ? face : { ...rest, latent: encode(Float32Array.from(state.latent)) };
  }
}

/** Pixels of a picture [C, H, W] in [-1, 1]: the rounding of the server, ties to even. @param {Float32Array} picture */
export function pixels(picture, width, height, channels) {
  const image = new ImageData(width, height);
  const plane = width * height;
  const bytes = image.data; // clamped, and rounded half to even
  for (let at = 0; at < plane; at++) {
    for (let colour = 0; colour < 3; colour++) {
      bytes[4 * at + colour] = Math.fround(Math.fround(picture[(channels === 1 ? 0 : colour * plane) + at] + 1) * 127.5);
    }
    bytes[4 * at + 3] = 255;
  }
  return image;
}

function mirrored(picture, width) {
  return picture.map((_, at) => picture[at - (at % width) + width - 1 - (at % width)]);
}

const round = (value) => (Number.isFinite(value) ? Math.round(value * 1000) / 1000 : null);

function remember(cache, key, value) {
  cache.set(key, value);
  if (cache.size > REMEMBERED) cache.delete(cache.keys().next().value);
  return value;
}
