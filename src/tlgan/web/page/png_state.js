// A PNG that remembers: the state travels in an iTXt chunk named "tlgan". Nothing read from a file is trusted here; it
// goes to the engine, which checks it.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const KEYWORD = "tlgan";
const MOST_TEXT = 1 << 18;

/** A PNG with `state` put in, before its first picture data. @param {Blob} png @param {object} state */
export async function write(png, state) {
  const bytes = new Uint8Array(await png.arrayBuffer());
  const head = 8 + 25; // the signature and IHDR
  const text = new TextEncoder().encode(`${KEYWORD}\0\0\0\0\0${JSON.stringify(state)}`);
  return new Blob([bytes.slice(0, head), chunk("iTXt", text), bytes.slice(head)], { type: "image/png" });
}

/** The state inside a PNG; an Error in words where there is none. @param {Blob} file @returns {Promise<object>} */
export async function read(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!SIGNATURE.every((byte, k) => bytes[k] === byte)) throw new Error("That file is not a PNG: drop one saved here.");
  const view = new DataView(bytes.buffer);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const size = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + size > bytes.length || type === "IEND") break;
    if (type === "iTXt") {
      const text = await international(bytes.subarray(at + 8, at + 8 + size));
      if (text !== null) return parse(text);
    }
    at += 12 + size;
  }
  throw new Error("That PNG holds no face: only pictures saved by this tool remember theirs.");
}

function parse(text) {
  try {
    const state = JSON.parse(text);
    if (typeof state === "object" && state !== null && !Array.isArray(state)) return state;
  } catch {
    // said below
  }
  throw new Error("The state inside that PNG is damaged.");
}

/** The text of an iTXt chunk with our keyword, else null. */
async function international(data) {
  const end = data.indexOf(0);
  if (new TextDecoder("latin1").decode(data.subarray(0, end)) !== KEYWORD) return null;
  const compressed = data[end + 1] === 1;
  const language = data.indexOf(0, end + 3);
  const translated = data.indexOf(0, language + 1);
  let text = data.subarray(translated + 1);
  if (compressed) text = await inflate(text);
  if (language < 0 || translated < 0 || text.length > MOST_TEXT) throw new Error("The state inside that PNG is damaged.");
  return new TextDecoder().decode(text);
}

async function inflate(data) {
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size > MOST_TEXT) throw new Error("The state inside that PNG is too large.");
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function chunk(type, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...type].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** CRC-32 as in the PNG specification, annex D. */
export function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
