// Small pictures made worth looking at. A 64-pixel face on a 700-pixel stage is either blocks or mush when rows and
// columns are interpolated alike; here every output pixel looks along the edge it lies on (its kernel is stretched along
// the direction of least change, taken from the structure tensor), so that contours stay clean and nothing is invented.
// This goes for the light; colour, which the eye sees less sharply, is interpolated between four pixels.

const FACTOR = 4;
const PAD = 2; // source pixels that a kernel reaches beyond the picture
const SPAN = 4; // source pixels a kernel covers in each direction
const TAPS = SPAN * SPAN;
const [RED, GREEN, BLUE] = [0.299, 0.587, 0.114]; // of light
const SHAPES = 17; // kernels are tabulated for this many values of each of the two numbers that shape them

/** A bell with a small negative ring (sharper than a Gaussian), of squared distance. */
const bell = (d2) => (d2 < 4 ? (1 - d2 / 4) ** 2 * (1 - 0.624 * d2) : 0);

/** Weights of all taps, for every shape and every place of an output pixel between the source pixels. */
const KERNELS = tabulate();

/**
 * RGBA pixels enlarged `FACTOR` times.
 * @param {ImageData} source @returns {ImageData}
 */
export function enlarge(source) {
  const { width, height } = source;
  const wide = width + 2 * PAD;
  const [light, red, blue] = padded(source);
  const edges = steer(light, wide, height + 2 * PAD);
  const out = new ImageData(width * FACTOR, height * FACTOR);
  const pixels = new Uint32Array(out.data.buffer);
  const middle = (SHAPES - 1) / 2;
  for (let y = 0; y < out.height; y++) {
    const sy = (y + 0.5) / FACTOR - 0.5 + PAD;
    const top = Math.floor(sy);
    const fy = sy - top;
    for (let x = 0; x < out.width; x++) {
      const sx = (x + 0.5) / FACTOR - 0.5 + PAD;
      const left = Math.floor(sx);
      const fx = sx - left;
      // The edge here, blended between the four pixels around, so that kernels change as smoothly as the picture.
      const at = (top * wide + left) * 2;
      const below = at + wide * 2;
      const w00 = (1 - fx) * (1 - fy);
      const w01 = fx * (1 - fy);
      const w10 = (1 - fx) * fy;
      const w11 = fx * fy;
      const c = w00 * edges[at] + w01 * edges[at + 2] + w10 * edges[below] + w11 * edges[below + 2];
      const s = w00 * edges[at + 1] + w01 * edges[at + 3] + w10 * edges[below + 1] + w11 * edges[below + 3];
      const shape = ((c * middle + middle + 0.5) | 0) * SHAPES + ((s * middle + middle + 0.5) | 0);
      let tap = ((shape * FACTOR + (y % FACTOR)) * FACTOR + (x % FACTOR)) * TAPS;
      let from = (top - 1) * wide + left - 1;
      let y0 = 0.5;
      for (let j = 0; j < SPAN; j++, from += wide, tap += SPAN) {
        y0 +=
          KERNELS[tap] * light[from] +
          KERNELS[tap + 1] * light[from + 1] +
          KERNELS[tap + 2] * light[from + 2] +
          KERNELS[tap + 3] * light[from + 3];
      }
      const here = top * wide + left;
      const under = here + wide;
      const dr = w00 * red[here] + w01 * red[here + 1] + w10 * red[under] + w11 * red[under + 1];
      const db = w00 * blue[here] + w01 * blue[here + 1] + w10 * blue[under] + w11 * blue[under + 1];
      const dg = -(RED * dr + BLUE * db) / GREEN;
      pixels[y * out.width + x] = 0xff000000 | (byte(y0 + db) << 16) | (byte(y0 + dg) << 8) | byte(y0 + dr);
    }
  }
  return out;
}

/**
 * A kernel's shape is an edge (c, s): its strength in [0, 1] times cos and sin of twice the gradient's angle. Squared
 * distance counts less along the edge and more across it.
 */
function tabulate() {
  const table = new Float32Array(SHAPES * SHAPES * FACTOR * FACTOR * TAPS);
  let at = 0;
  for (let i = 0; i < SHAPES; i++) {
    for (let j = 0; j < SHAPES; j++) {
      const c = (2 * i) / (SHAPES - 1) - 1;
      const s = (2 * j) / (SHAPES - 1) - 1;
      const edge = Math.min(1, Math.hypot(c, s));
      const even = 1 - 0.135 * edge; // the mean of along (1 - 0.62 edge) and across (1 + 0.35 edge)
      for (let phase = 0; phase < FACTOR * FACTOR; phase++, at += TAPS) {
        const fy = ((Math.floor(phase / FACTOR) + 0.5) / FACTOR + 0.5) % 1;
        const fx = (((phase % FACTOR) + 0.5) / FACTOR + 0.5) % 1;
        let total = 0;
        for (let tap = 0; tap < TAPS; tap++) {
          const dx = (tap % SPAN) - 1 - fx;
          const dy = Math.floor(tap / SPAN) - 1 - fy;
          const weight = bell(even * (dx * dx + dy * dy) + 0.485 * (c * (dx * dx - dy * dy) + 2 * s * dx * dy));
          table[at + tap] = weight;
          total += weight;
        }
        for (let tap = 0; tap < TAPS; tap++) table[at + tap] /= total;
      }
    }
  }
  return table;
}

/** Light, red minus light and blue minus light, with their edges repeated `PAD` times. */
function padded({ data, width, height }) {
  const wide = width + 2 * PAD;
  const [light, red, blue] = [0, 1, 2].map(() => new Float32Array(wide * (height + 2 * PAD)));
  for (let y = 0, to = 0; y < height + 2 * PAD; y++) {
    const row = clamp(y - PAD, height) * width;
    for (let x = 0; x < wide; x++, to++) {
      const from = (row + clamp(x - PAD, width)) * 4;
      light[to] = RED * data[from] + GREEN * data[from + 1] + BLUE * data[from + 2];
      red[to] = data[from] - light[to];
      blue[to] = data[from + 2] - light[to];
    }
  }
  return [light, red, blue];
}

/** The edge (c, s) at every pixel, from the structure tensor smoothed over its neighbours: float32 [height * width * 2]. */
function steer(light, width, height) {
  const planes = [0, 1, 2].map(() => new Float32Array(light.length)); // gx² - gy², 2 gx gy, gx² + gy²
  for (let y = 1; y < height - 1; y++) {
    for (let here = y * width + 1; here < (y + 1) * width - 1; here++) {
      const gx = light[here + 1] - light[here - 1];
      const gy = light[here + width] - light[here - width];
      planes[0][here] = gx * gx - gy * gy;
      planes[1][here] = 2 * gx * gy;
      planes[2][here] = gx * gx + gy * gy;
    }
  }
  const [difference, product, sum] = planes.map((plane) => smoothed(plane, width));
  const edges = new Float32Array(light.length * 2);
  for (let k = 0; k < light.length; k++) {
    const scale = 1 / (sum[k] + NOISE);
    edges[2 * k] = difference[k] * scale;
    edges[2 * k + 1] = product[k] * scale;
  }
  return edges;
}

const NOISE = 25; // squared grey levels under which a change is no edge

/** 1 2 1 in both directions, over 16; the outermost pixels are padding and stay. */
function smoothed(plane, width) {
  const across = plane.slice();
  for (let k = 1; k < plane.length - 1; k++) across[k] = (plane[k - 1] + 2 * plane[k] + plane[k + 1]) / 4;
  const both = across.slice();
  for (let k = width; k < plane.length - width; k++) both[k] = (across[k - width] + 2 * across[k] + across[k + width]) / 4;
  return both;
}

const clamp = (value, size) => (value < 0 ? 0 : value >= size ? size - 1 : value);
const byte = (value) => (value < 0 ? 0 : value > 255 ? 255 : value | 0);
