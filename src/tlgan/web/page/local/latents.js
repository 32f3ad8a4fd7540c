// Latents as a pure function of (seed, row): the same stream as in Python (`tlgan.generators.latents`), word for word.
// Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), then Box-Muller.

const MASK = (1n << 64n) - 1n;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const BUMPS = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const ROUNDS = 10;

/**
 * Four 64-bit words of one counter. @param {bigint} counter 0 to 2**256 - 1 @param {bigint} seed the key is (seed, 0)
 * @returns {bigint[]}
 */
export function philox(counter, seed) {
  let [a, b, c, d] = [0n, 64n, 128n, 192n].map((shift) => (counter >> shift) & MASK);
  let [k, l] = [seed, 0n];
  for (let round = 0; round < ROUNDS; round++) {
    const [left, right] = [MULTIPLIERS[0] * a, MULTIPLIERS[1] * c];
    [a, b, c, d] = [(right >> 64n) ^ b ^ k, right & MASK, (left >> 64n) ^ d ^ l, left & MASK];
    [k, l] = [(k + BUMPS[0]) & MASK, (l + BUMPS[1]) & MASK];
  }
  return [a, b, c, d];
}

/**
 * Row `row` of the standard normal latents of `seed`. @param {number} seed @param {number} row @param {number} dim
 * @returns {Float32Array} [dim]
 */
export function sampleLatent(seed, row, dim) {
  const blocks = Math.ceil(dim / 4);
  const numbers = new Float32Array(blocks * 4); // a store rounds to the nearest float32, as numpy does
  for (let block = 0; block < blocks; block++) {
    const words = philox(BigInt(row) * BigInt(blocks) + BigInt(block), BigInt(seed));
    const uniform = words.map((word) => (Number(word >> 11n) + 0.5) * 2 ** -53);
    for (const pair of [0, 2]) {
      const radius = Math.sqrt(-2 * Math.log(uniform[pair]));
      const angle = 2 * Math.PI * uniform[pair + 1];
      numbers[4 * block + pair] = radius * Math.cos(angle);
      numbers[4 * block + pair + 1] = radius * Math.sin(angle);
    }
  }
  return numbers.slice(0, dim);
}
