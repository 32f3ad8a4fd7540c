// A walk as an animated GIF (89a), written here: one palette for all frames, since a palette a frame makes still regions
// flicker, and LZW as the format asks.

const SIDE = 384; // pixels, at least: a 64-pixel film is a stamp
const COLOURS = 256;

/** @param {ImageData[]} frames @param {number} fps @returns {Blob} */
export function film(frames, fps) {
  const factor = Math.max(1, Math.ceil(SIDE / frames[0].width));
  const palette = choose(frames);
  const nearest = lookup(palette);
  const pictures = frames.map((frame) => enlarge(frame, factor));
  const { width, height } = pictures[0];
  const parts = [header(width, height, palette)];
  for (const picture of pictures) {
    const indices = new Uint8Array(width * height);
    for (let at = 0; at < indices.length; at++) {
      indices[at] = nearest(picture.data[4 * at], picture.data[4 * at + 1], picture.data[4 * at + 2]);
    }
    parts.push(frameHeader(width, height, Math.max(2, Math.round(100 / fps))), compress(indices));
  }
  parts.push(Uint8Array.of(0x3b));
  return new Blob(parts, { type: "image/gif" });
}

function enlarge(frame, factor) {
  const small = new OffscreenCanvas(frame.width, frame.height);
  small.getContext("2d").putImageData(frame, 0, 0);
  const large = new OffscreenCanvas(frame.width * factor, frame.height * factor);
  const context = large.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, large.width, large.height);
  return context.getImageData(0, 0, large.width, large.height);
}

/** Median cut (Heckbert 1982) over pixels of all frames: [[r, g, b], ...], 256 at most. */
function choose(frames) {
  const every = Math.max(1, Math.floor((frames.length * frames[0].width * frames[0].height) / 40_000)) | 1;
  const pixels = [];
  let at = 0;
  for (const { data } of frames) {
    for (; at < data.length; at += 4 * every) pixels.push([data[at], data[at + 1], data[at + 2]]);
    at -= data.length;
  }
  let boxes = [pixels];
  while (boxes.length < COLOURS) {
    const widest = boxes.map(extent).reduce((best, box, k, all) => (box.spread > all[best].spread ? k : best), 0);
    const { channel, spread } = extent(boxes[widest]);
    if (spread === 0) break;
    const sorted = boxes[widest].sort((a, b) => a[channel] - b[channel]);
    const middle = sorted.length >> 1;
    boxes = [...boxes.slice(0, widest), sorted.slice(0, middle), sorted.slice(middle), ...boxes.slice(widest + 1)];
  }
  return boxes.map((box) => [0, 1, 2].map((c) => Math.round(box.reduce((sum, pixel) => sum + pixel[c], 0) / box.length)));
}

/** The widest channel of a box, weighted by how many pixels it holds. */
function extent(box) {
  if (box.length < 2) return { channel: 0, spread: 0 };
  const ranges = [0, 1, 2].map((c) => {
    let [low, high] = [255, 0];
    for (const pixel of box) {
      low = Math.min(low, pixel[c]);
      high = Math.max(high, pixel[c]);
    }
    return high - low;
  });
  const channel = ranges.indexOf(Math.max(...ranges));
  return { channel, spread: ranges[channel] * Math.sqrt(box.length) };
}

/** A function from a colour to the nearest of the palette, remembered on a grid of 32 x 64 x 32. */
function lookup(palette) {
  const known = new Int16Array(1 << 16).fill(-1);
  return (r, g, b) => {
    const key = ((r >> 3) << 11) | ((g >> 2) << 5) | (b >> 3);
    if (known[key] >= 0) return known[key];
    let best = 0;
    let least = Infinity;
    palette.forEach(([x, y, z], k) => {
      const far = 2 * (x - r) ** 2 + 4 * (y - g) ** 2 + (z - b) ** 2;
      if (far < least) [best, least] = [k, far];
    });
    return (known[key] = best);
  };
}

function header(width, height, palette) {
  const colours = new Uint8Array(3 * COLOURS);
  palette.forEach((colour, k) => colours.set(colour, 3 * k));
  const screen = [...letters("GIF89a"), ...short(width), ...short(height), 0xf7, 0, 0];
  const forever = [0x21, 0xff, 11, ...letters("NETSCAPE2.0"), 3, 1, 0, 0, 0];
  return Uint8Array.from([...screen, ...colours, ...forever]);
}

function frameHeader(width, height, hundredths) {
  return Uint8Array.from([0x21, 0xf9, 4, 4, ...short(hundredths), 0, 0, 0x2c, 0, 0, 0, 0, ...short(width), ...short(height), 0]);
}

/** LZW with growing codes, in sub-blocks of 255 bytes. */
function compress(indices) {
  const [clear, end] = [COLOURS, COLOURS + 1];
  const bytes = [];
  let [bits, count, width] = [0, 0, 9];
  let table = new Map();
  let next = end + 1;
  const put = (code) => {
    bits |= code << count;
    count += width;
    for (; count >= 8; count -= 8) {
      bytes.push(bits & 255);
      bits >>>= 8;
    }
  };
  put(clear);
  let prefix = indices[0];
  for (let at = 1; at < indices.length; at++) {
    const key = (prefix << 8) | indices[at];
    const code = table.get(key);
    if (code !== undefined) {
      prefix = code;
      continue;
    }
    put(prefix);
    if (next === 4096) {
      put(clear);
      [table, next, width] = [new Map(), end + 1, 9];
    } else {
      if (next === 1 << width) width++;
      table.set(key, next++);
    }
    prefix = indices[at];
  }
  put(prefix);
  put(end);
  if (count > 0) bytes.push(bits & 255);
  const blocks = [8];
  for (let at = 0; at < bytes.length; at += 255) {
    const block = bytes.slice(at, at + 255);
    blocks.push(block.length, ...block);
  }
  blocks.push(0);
  return Uint8Array.from(blocks);
}

const letters = (text) => [...text].map((letter) => letter.charCodeAt(0));
const short = (value) => [value & 255, value >> 8];
