// Small pictures made worth looking at. A 64-pixel face on a 700-pixel stage is either blocks or mush when rows and
// columns are interpolated alike; here every output pixel looks along the edge it lies on (its kernel is stretched along
// the direction of least change, taken from the structure tensor), so that contours stay clean and nothing is invented.

const FACTOR = 4;
const PAD = 2; // source pixels that a kernel reaches beyond the picture
const SPAN = 4; // source pixels a kernel covers in each direction
const STEPS = 64; // of the window's table, per unit of squared distance

/** A bell with a small negative ring (sharper than a Gaussian), over squared distance in [0, 4). */
const WINDOW = Float32Array.from({ length: 8 * STEPS }, (_, k) => {
  const d2 = (k + 0.5) / STEPS;
  return d2 < 4 ? (1 - d2 / 4) ** 2 * (1 - 0.624 * d2) : 0;
});
const LAST = WINDOW.length - 1;
const PHASES = offsets();

/**
 * RGBA pixels enlarged `FACTOR` times.
 * @param {ImageData} source @returns {ImageData}
 */
export function enlarge(source) {
  const { width, height } = source;
  const wide = width + 2 * PAD;
  const [red, green, blue] = padded(source);
  const kernels = steer(red, green, blue, wide, height + 2 * PAD);
  const out = new ImageData(width * FACTOR, height * FACTOR);
  const pixels = new Uint32Array(out.data.buffer);
  for (let y = 0; y < out.height; y++) {
    const sy = (y + 0.5) / FACTOR - 0.5 + PAD;
    const top = Math.floor(sy);
    const fy = sy - top;
    for (let x = 0; x < out.width; x++) {
      const sx = (x + 0.5) / FACTOR - 0.5 + PAD;
      const left = Math.floor(sx);
      const fx = sx - left;
      // The kernel's shape, blended between the four pixels around, so that it changes as smoothly as the picture.
      const at = (top * wide + left) * 3;
      const below = at + wide * 3;
      const w00 = (1 - fx) * (1 - fy);
      const w01 = fx * (1 - fy);
      const w10 = (1 - fx) * fy;
      const w11 = fx * fy;
      const a = w00 * kernels[at] + w01 * kernels[at + 3] + w10 * kernels[below] + w11 * kernels[below + 3];
      const b = w00 * kernels[at + 1] + w01 * kernels[at + 4] + w10 * kernels[below + 1] + w11 * kernels[below + 4];
      const c = w00 * kernels[at + 2] + w01 * kernels[at + 5] + w10 * kernels[below + 2] + w11 * kernels[below + 5];
      let r = 0;
      let g = 0;
      let bl = 0;
      let total = 0;
      let phase = ((y % FACTOR) * FACTOR + (x % FACTOR)) * SPAN * SPAN * 3;
      for (let j = 0; j < SPAN; j++) {
        let from = (top + j - 1) * wide + left - 1;
        for (let i = 0; i < SPAN; i++, from++, phase += 3) {
          const d2 = a * PHASES[phase] + b * PHASES[phase + 1] + c * PHASES[phase + 2];
          const step = (d2 * STEPS) | 0;
          const weight = WINDOW[step > LAST ? LAST : step];
          r += weight * red[from];
          g += weight * green[from];
          bl += weight * blue[from];
          total += weight;
        }
      }
      const scale = 1 / total;
      pixels[y * out.width + x] = 0xff000000 | (byte(bl * scale) << 16) | (byte(g * scale) << 8) | byte(r * scale);
    }
  }
  return out;
}

/** dx², dx dy, dy² of every tap for every phase of an output pixel; the same for all pictures. */
function offsets() {
  const table = new Float32Array(FACTOR * FACTOR * SPAN * SPAN * 3);
  let at = 0;
  for (let py = 0; py < FACTOR; py++) {
    for (let px = 0; px < FACTOR; px++) {
      const fy = ((py + 0.5) / FACTOR + 0.5) % 1;
      const fx = ((px + 0.5) / FACTOR + 0.5) % 1;
      for (let j = -1; j < SPAN - 1; j++) {
        for (let i = -1; i < SPAN - 1; i++) {
          table[at++] = (i - fx) ** 2;
          table[at++] = (i - fx) * (j - fy);
          table[at++] = (j - fy) ** 2;
        }
      }
    }
  }
  return table;
}

/** Three planes with their edges repeated `PAD` times. */
function padded({ data, width, height }) {
  const wide = width + 2 * PAD;
  const planes = [0, 1, 2].map(() => new Float32Array(wide * (height + 2 * PAD)));
  for (let y = 0, to = 0; y < height + 2 * PAD; y++) {
    const row = clamp(y - PAD, height) * width;
    for (let x = 0; x < wide; x++, to++) {
      const from = (row + clamp(x - PAD, width)) * 4;
      for (let k = 0; k < 3; k++) planes[k][to] = data[from + k];
    }
  }
  return planes;
}

/**
 * For every pixel the quadratic form (a, b, c) of its kernel: a dx² + b dx dy + c dy² is the squared distance, shorter
 * along an edge and longer across it. Float32 [height * width * 3].
 */
function steer(red, green, blue, width, height) {
  const light = new Float32Array(width * height);
  for (let k = 0; k < light.length; k++) light[k] = 0.3 * red[k] + 0.59 * green[k] + 0.11 * blue[k];
  const tensor = new Float32Array(light.length * 3);
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const here = y * width + x;
      const gx = light[here + 1] - light[here - 1];
      const gy = light[here + width] - light[here - width];
      tensor[here * 3] = gx * gx;
      tensor[here * 3 + 1] = gx * gy;
      tensor[here * 3 + 2] = gy * gy;
    }
  }
  const kernels = new Float32Array(tensor.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [xx, xy, yy] = around(tensor, x, y, width, height);
      const half = (xx - yy) / 2;
      const root = Math.sqrt(half * half + xy * xy);
      // How much of an edge this is, in [0, 1): one direction changes, the other does not, by more than noise.
      const edge = (2 * root) / (xx + yy + 400);
      const along = 1 - 0.62 * edge;
      const across = 1 + 0.35 * edge;
      // cos² and sin² of the gradient's angle, from the tensor itself.
      const cos2 = root > 0 ? 0.5 + half / (2 * root) : 0.5;
      const sincos = root > 0 ? xy / (2 * root) : 0;
      const at = (y * width + x) * 3;
      kernels[at] = across * cos2 + along * (1 - cos2);
      kernels[at + 1] = 2 * (across - along) * sincos;
      kernels[at + 2] = across * (1 - cos2) + along * cos2;
    }
  }
  return kernels;
}

const smooth = new Float32Array(3);

/** The tensor, smoothed over its neighbours (1 2 1 in each direction). */
function around(tensor, x, y, width, height) {
  smooth.fill(0);
  for (let j = -1; j <= 1; j++) {
    for (let i = -1; i <= 1; i++) {
      const weight = (2 - Math.abs(i)) * (2 - Math.abs(j));
      const at = (clamp(y + j, height) * width + clamp(x + i, width)) * 3;
      for (let k = 0; k < 3; k++) smooth[k] += weight * tensor[at + k];
    }
  }
  return smooth;
}

const clamp = (value, size) => (value < 0 ? 0 : value >= size ? size - 1 : value);
const byte = (value) => (value < 0 ? 0 : value > 255 ? 255 : (value + 0.5) | 0);
