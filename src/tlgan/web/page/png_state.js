// A PNG that remembers: the state travels in an iTXt chunk named "tlgan". Nothing read from a file is trusted here; it
// goes to the engine, which checks it.

import { chunk, chunks, SIGNATURE } from "./png_chunks.js";

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
  const found = await find(file);
  if (found !== null) return found;
  throw new Error("That PNG holds no face: only pictures saved by this tool remember theirs.");
}

/** The same; null where a file that may be a photograph holds none. @param {Blob} file @param {boolean} other  than a PNG too */
export async function find(file, other = false) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!SIGNATURE.every((byte, k) => bytes[k] === byte)) {
    if (other) return null;
    throw new Error("That file is not a PNG: drop one saved here.");
  }
  for (const { type, data } of chunks(bytes)) {
    const text = type === "iTXt" ? await international(data) : null;
    if (text !== null) return parse(text);
  }
  return null;
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
