// Latents in links: float16 in base64url, half as long as float32 and as good for a picture (to one grey level).

const toUrl = (base64) => base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const fromUrl = (text) => {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return base64 + "=".repeat((4 - (base64.length % 4)) % 4);
};
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const base64Of = (array) => btoa(Array.from(new Uint8Array(array.buffer), (byte) => String.fromCharCode(byte)).join(""));

/** Base64 of float32 -> base64url of float16. @param {string} base64 */
export function shorten(base64) {
  const values = new Float32Array(bytesOf(base64).buffer);
  return toUrl(base64Of(Uint16Array.from(values, toHalf)));
}

/** The other way. @param {string} text */
export function lengthen(text) {
  const bytes = bytesOf(fromUrl(text));
  if (bytes.length % 2) throw new Error("That link is damaged: its latent is cut off.");
  return base64Of(Float32Array.from(new Uint16Array(bytes.buffer), fromHalf));
}

/** Base64url as base64, nothing else: links of before held float32. */
export const fromLong = fromUrl;

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** The nearest float16, ties to even (IEEE 754), as its 16 bits. @param {number} value */
export function toHalf(value) {
  FLOAT[0] = value;
  const sign = (BITS[0] >>> 16) & 0x8000;
  const size = Math.abs(FLOAT[0]);
  if (Number.isNaN(size)) return sign | 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const small = size < 2 ** -14; // there the step between neighbours is 2^-24, above 2^-10 of the power of two below
  const power = Math.floor(Math.log2(size));
  const exponent = small ? -14 : size < 2 ** power ? power - 1 : power;
  const steps = even(size / 2 ** (exponent - 10));
  return sign | (small ? steps : ((exponent + 14) << 10) + steps); // a carry runs into the exponent, as it should
}

/** @param {number} bits */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}

function even(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2) ? down + 1 : down;
}
