// Small pictures made worth looking at. A 64-pixel face on a 700-pixel stage is either blocks or mush when rows and
// columns are interpolated alike; here every output pixel looks along the edge it lies on (its kernel is stretched along
// the direction of least change, taken from the structure tensor), so that contours stay clean and nothing is invented.
// This goes for the light; colour, which the eye sees less sharply, is interpolated between four pixels.

const FULL = 4;
const DRAFT = 2; // a quarter of the work
const PAD = 2; // source pixels that a kernel reaches beyond the picture
const SPAN = 4; // source pixels a kernel covers in each direction
const TAPS = SPAN * SPAN;
const [RED, GREEN, BLUE] = [0.299, 0.587, 0.114]; // of light
const SHAPES = 17; // kernels are tabulated for this many values of each of the two numbers that shape them
const MIDDLE = (SHAPES - 1) / 2;

/** A bell with a small negative ring (sharper than a Gaussian), of squared distance. */
const bell = (d2) => (d2 < 4 ? (1 - d2 / 4) ** 2 * (1 - 0.624 * d2) : 0);

/** Weights of all taps, for every shape and every place of an output pixel between the source pixels. */
const KERNELS = { [FULL]: tabulate(FULL), [DRAFT]: tabulate(DRAFT) };

/**
 * RGBA pixels enlarged four times, or twice where another picture is about to follow.
 * @param {ImageData} source @param {boolean} draft @returns {ImageData}
 */
export function enlarge(source, draft = false) {
  const factor = draft ? DRAFT : FULL;
  const kernels = KERNELS[factor];
  const { width, height } = source;
  const wide = width + 2 * PAD;
  const [light, red, blue] = padded(source);
  const edges = steer(light, wide, height + 2 * PAD);
  const out = new ImageData(width * factor, height * factor);
  const pixels = new Uint32Array(out.data.buffer);
  // A cell lies between four neighbouring source pixels. What its output pixels share is read once and kept in scalars,
  // which compilers hold in registers: this runs with every move of a hand.
  for (let top = 0; top <= height; top++) {
    const [firstRow, lastRow] = inside(top, height, factor);
    for (let left = 0; left <= width; left++) {
      const [firstColumn, lastColumn] = inside(left, width, factor);
      const here = (top + PAD - 1) * wide + left + PAD - 1;
      const above = here - wide, under = here + wide, below = here + 2 * wide;
      const l00 = light[above - 1], l01 = light[above], l02 = light[above + 1], l03 = light[above + 2];
      const l10 = light[here - 1], l11 = light[here], l12 = light[here + 1], l13 = light[here + 2];
      const l20 = light[under - 1], l21 = light[under], l22 = light[under + 1], l23 = light[under + 2];
      const l30 = light[below - 1], l31 = light[below], l32 = light[below + 1], l33 = light[below + 2];
      for (let j = firstRow; j < lastRow; j++) {
        const fy = (j + 0.5) / factor;
        const c0 = between(edges, 2 * here, 2 * under, fy), c1 = between(edges, 2 * here + 2, 2 * under + 2, fy);
        const s0 = between(edges, 2 * here + 1, 2 * under + 1, fy), s1 = between(edges, 2 * here + 3, 2 * under + 3, fy);
        const r0 = between(red, here, under, fy), r1 = between(red, here + 1, under + 1, fy);
        const b0 = between(blue, here, under, fy), b1 = between(blue, here + 1, under + 1, fy);
        const to = ((top - 0.5) * factor + j) * out.width + (left - 0.5) * factor;
        for (let i = firstColumn; i < lastColumn; i++) {
          const fx = (i + 0.5) / factor;
          // The edge is blended between the four pixels around, so that kernels change as smoothly as the picture.
          const c = c0 + fx * (c1 - c0);
          const s = s0 + fx * (s1 - s0);
          const shape = ((c * MIDDLE + MIDDLE + 0.5) | 0) * SHAPES + ((s * MIDDLE + MIDDLE + 0.5) | 0);
          const k = ((shape * factor + j) * factor + i) * TAPS;
          const y =
            0.5 +
            (kernels[k] * l00 + kernels[k + 1] * l01 + kernels[k + 2] * l02 + kernels[k + 3] * l03) +
            (kernels[k + 4] * l10 + kernels[k + 5] * l11 + kernels[k + 6] * l12 + kernels[k + 7] * l13) +
            (kernels[k + 8] * l20 + kernels[k + 9] * l21 + kernels[k + 10] * l22 + kernels[k + 11] * l23) +
            (kernels[k + 12] * l30 + kernels[k + 13] * l31 + kernels[k + 14] * l32 + kernels[k + 15] * l33);
          const dr = r0 + fx * (r1 - r0);
          const db = b0 + fx * (b1 - b0);
          const dg = -(RED * dr + BLUE * db) / GREEN;
          pixels[to + i] = 0xff000000 | (byte(y + db) << 16) | (byte(y + dg) << 8) | byte(y + dr);
        }
      }
    }
  }
  return out;
}

/** The output rows (or columns) of a cell that lie in the picture: the outermost cells are cut in half. */
function inside(cell, size, factor) {
  return [cell ? 0 : factor / 2, cell < size ? factor : factor / 2];
}

const between = (plane, one, other, share) => plane[one] + share * (plane[other] - plane[one]);

/**
 * A kernel's shape is an edge (c, s): its strength in [0, 1] times cos and sin of twice the gradient's angle. Squared
 * distance counts less along the edge and more across it.
 */
function tabulate(factor) {
  const table = new Float32Array(SHAPES * SHAPES * factor * factor * TAPS);
  let at = 0;
  for (let i = 0; i < SHAPES; i++) {
    for (let j = 0; j < SHAPES; j++) {
      const c = (2 * i) / (SHAPES - 1) - 1;
      const s = (2 * j) / (SHAPES - 1) - 1;
      const edge = Math.min(1, Math.hypot(c, s));
      const even = 1 - 0.135 * edge; // the mean of along (1 - 0.62 edge) and across (1 + 0.35 edge)
      for (let phase = 0; phase < factor * factor; phase++, at += TAPS) {
        const fy = (Math.floor(phase / factor) + 0.5) / factor;
        const fx = ((phase % factor) + 0.5) / factor;
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
