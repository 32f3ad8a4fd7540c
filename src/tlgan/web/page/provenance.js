// What a saved picture says of itself, as `tlgan.provenance` writes it: an XMP packet with IPTC's DigitalSourceType, a
// digest of what makes the picture, and one of the packet. The properties come from Python; here they meet the file.

import { chunk, chunks } from "./png_chunks.js";
import { sha256 } from "./sha256.js";

/**
 * `claim` and `namespaces`: properties of XMP, and their addresses; `signed`: what the server saves is signed; `published`: the
 * page is a published one; `edited`: the claim's source type where a photograph was edited.
 * @typedef {{claim: Record<string, string>, edited: string, namespaces: Record<string, string>, signed: boolean, published: boolean}} Provenance
 */

const SOURCE = "Iptc4xmpExt:DigitalSourceType";
const OTHER = ["iTXt", "tEXt", "zTXt", "tIME", "eXIf"]; // words beside a picture, which its digest leaves out
const OPEN = "0".repeat(64);
const GIF_HEAD = 13; // bytes before the colours

/**
 * What is asked of a face, as `tlgan edit` takes it.
 * @param {{asked: Record<string, number>, locks: string[], soft?: Record<string, number>, exact: boolean}} face
 */
export function asked({ asked, locks, soft = {}, exact }) {
  const words = Object.keys(asked).sort().map((name) => `${name}=${signed(asked[name])}`);
  const kept = [...new Set([...locks, ...Object.keys(soft)])].sort();
  if (kept.length) words.push(`--lock ${kept.join(",")}`);
  if (exact) words.push("--exact");
  return words.join(" ");
}

/** "+1.5". */
export const signed = (value) => `${value < 0 ? "" : "+"}${Number(value.toPrecision(6))}`;

/** The claims of pictures that show an edited photograph, in place of a generated one. @param {Provenance} provenance */
export const ofPhotograph = (provenance) => ({ ...provenance, claim: { ...provenance.claim, [SOURCE]: provenance.edited } });

/** A PNG that says what it is. @param {Blob} png @param {Provenance} provenance @param {string} asked @returns {Promise<Blob>} */
export async function markPng(png, provenance, asked = "") {
  const bytes = new Uint8Array(await png.arrayBuffer());
  const counted = [bytes.subarray(0, 8)];
  for (const { type, start, end } of chunks(bytes)) if (!OTHER.includes(type)) counted.push(bytes.subarray(start + 4, end - 4));
  const packet = written(provenance, asked, sha256(joined(counted)));
  const text = joined([new TextEncoder().encode("XML:com.adobe.xmp\0\0\0\0\0"), packet]);
  const head = 8 + 25; // the signature and IHDR
  return new Blob([bytes.slice(0, head), chunk("iTXt", text), bytes.slice(head)], { type: "image/png" });
}

/** A GIF without comments that says what it is. @param {Blob} gif @param {Provenance} provenance @param {string} asked */
export async function markGif(gif, provenance, asked = "") {
  const bytes = new Uint8Array(await gif.arrayBuffer());
  const packet = written(provenance, asked, sha256(bytes));
  const head = GIF_HEAD + (bytes[10] & 0x80 ? 3 << ((bytes[10] & 7) + 1) : 0);
  const name = Uint8Array.of(0x21, 0xff, 11, ...new TextEncoder().encode("XMP DataXMP"));
  const tail = Uint8Array.of(1, ...Array.from({ length: 256 }, (_, k) => 255 - k), 0); // leads readers of blocks out
  return new Blob([bytes.slice(0, head), name, packet, tail, bytes.slice(head)], { type: "image/gif" });
}

/** The packet with its seal. @returns {Uint8Array<ArrayBuffer>} */
function written({ claim, namespaces }, asked, picture) {
  const properties = { ...claim, ...(asked && { "tlgan:Asked": asked }), "tlgan:Picture": picture };
  const names = Object.entries(namespaces).map(([prefix, address]) => `\n    xmlns:${prefix}="${address}"`);
  const values = Object.entries(properties).map(([name, text]) => `\n    ${name}="${escaped(text)}"`);
  const packet = [
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n',
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n  <rdf:Description rdf:about=""',
    ...names,
    ...values,
    `\n    tlgan:Seal="${OPEN}"/>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>`,
  ].join("");
  const bytes = new TextEncoder().encode(packet);
  return new TextEncoder().encode(packet.replace(`tlgan:Seal="${OPEN}"`, `tlgan:Seal="${sha256(bytes)}"`));
}

/** Text inside an attribute; what XML can't hold becomes a question mark. */
function escaped(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text
    .slice(0, 4000)
    .replace(/[^\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "?")
    .replace(/[&<>"]/g, (letter) => entities[letter]);
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
