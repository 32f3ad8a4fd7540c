// The axes as the page computes with them: the latents' own geometry, and where a measured value stands in the
// population. Numbers arrive as float32 and float64 and are worked on in float64, as in Python (`tlgan.axes`).

/**
 * @typedef {{names: string[], kinds: ("probability"|"quantity")[], weak: boolean[], base: string[], space: string,
 *            generator: string, white: boolean, radius: number, limit: number, noise: number, trust: number, hold: number, far: number, step: number,
 *            target: number, enough: number, nearlyAll: number, inTheWay: number, looks: Record<string, number>,
 *            state: {version: number, read: number[], asked: number, weight: number, latent: number, seeds: number, by: string[]},
 *            scale: number, latentDim: number,
 *            samples: {seed: number, rows: number, step: number}, columns: number[], symmetric: boolean[],
 *            picture: {channels: number, resolution: number, height: number, width: number}}} Facts
 * `white`: latents are drawn from a standard normal; `radius`: the 99 % quantile of their whitened norm; `limit`:
 * logits beyond it, to either side, count as this one; `noise` to `inTheWay`: see `tlgan.editing`; `looks`: by quality;
 * `state`: what a saved face holds at most;
 * `scale`: what drawn latents are multiplied by; `columns`: each feature's place in what the extractor gives, -1 where it
 * has none; `symmetric`: which features say the same of a picture and of its mirror image.
 */

export class Axes {
  /** @param {Facts} facts @param {Record<string, {shape: number[], values: any}>} tensors */
  constructor(facts, tensors) {
    this.facts = facts;
    this.names = facts.names;
    this.count = facts.names.length;
    this.dim = tensors.directions.shape[1];
    this.mean = tensors.mean.values;
    this.sd = tensors.sd.values;
    this.latentMean = tensors.latent_mean.values;
    /** [d, d] float64: latent = mean + root @ whitened; absent where the space is white */
    this.root = tensors.root?.values ?? null;
    this.spread = this.root && columnSquares(this.root, this.dim);
    this.slopes = this.whitenedSlopes(tensors.directions.values);
    this.known = new Map(this.names.map((name, row) => [name, row]));
  }

  /** Row of a feature. @param {string} name */
  index(name) {
    const row = this.known.get(name);
    if (row === undefined) throw new Error(`This workspace has no feature “${String(name).slice(0, 40)}”.`);
    return row;
  }

  /** Slopes [d] of a feature, in its standard deviations per whitened latent unit. */
  slopesOf(row) {
    return this.slopes.subarray(row * this.dim, (row + 1) * this.dim);
  }

  /** Latent [d] in coordinates in which the population is a ball. @returns {Float64Array} */
  whiten(latent) {
    const centred = Float64Array.from(latent, (value, k) => value - this.latentMean[k]);
    if (!this.root) return centred;
    // root = basis * deviation, so its inverse is its transpose over deviation squared
    const white = new Float64Array(this.dim);
    for (let row = 0; row < this.dim; row++) {
      for (let column = 0; column < this.dim; column++) white[column] += this.root[row * this.dim + column] * centred[row];
    }
    return white.map((value, k) => value / this.spread[k]);
  }

  /** The inverse of `whiten`. @returns {Float32Array} */
  colour(white) {
    if (!this.root) return Float32Array.from(white, (value, k) => value + this.latentMean[k]);
    const latent = new Float32Array(this.dim);
    for (let row = 0; row < this.dim; row++) {
      let sum = this.latentMean[row];
      for (let k = 0; k < this.dim; k++) sum += this.root[row * this.dim + k] * white[k];
      latent[row] = sum;
    }
    return latent;
  }

  /** Responses [f] (logits, quantities) as places in the population, in its standard deviations. */
  positions(responses) {
    const { limit } = this.facts;
    return Float32Array.from(responses, (value, k) => {
      const probability = this.facts.kinds[k] === "probability";
      const response = probability ? Math.min(limit, Math.max(-limit, value)) : value;
      return (response - this.mean[k]) / this.sd[k];
    });
  }

  /** The change [f] that the axes expect of a whitened move [d]. */
  reached(move) {
    const change = new Float32Array(this.count);
    for (let row = 0; row < this.count; row++) change[row] = dot(this.slopes, row * this.dim, move);
    return change;
  }

  whitenedSlopes(directions) {
    const slopes = new Float64Array(directions.length);
    for (let row = 0; row < this.count; row++) {
      for (let k = 0; k < this.dim; k++) {
        const slope = directions[row * this.dim + k] / this.sd[row];
        if (!this.root) slopes[row * this.dim + k] = slope;
        else for (let c = 0; c < this.dim; c++) slopes[row * this.dim + c] += slope * this.root[k * this.dim + c];
      }
    }
    return slopes;
  }
}

/** Sum of products of `vector` with as many numbers of `matrix` from `offset` on. */
export function dot(matrix, offset, vector) {
  let sum = 0;
  for (let k = 0; k < vector.length; k++) sum += matrix[offset + k] * vector[k];
  return sum;
}

/** Length of a vector. */
export function norm(vector) {
  return Math.sqrt(dot(vector, 0, vector));
}

function columnSquares(matrix, dim) {
  const squares = new Float64Array(dim);
  matrix.forEach((value, k) => (squares[k % dim] += value * value));
  return squares;
}
