// A safetensors file: an 8-byte length, JSON that says what lies where, then the numbers.

const KINDS = { F64: Float64Array, F32: Float32Array, I8: Int8Array, U8: Uint8Array };

/** @param {Uint8Array} bytes @returns {Record<string, {shape: number[], values: any}>} */
export function read(bytes) {
  const size = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  const tensors = /** @type {Record<string, {shape: number[], values: any}>} */ ({});
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = data_offsets.map((offset) => 8 + size + offset);
    tensors[name] = { shape, values: new KINDS[dtype](bytes.slice(from, to).buffer) };
  }
  return tensors;
}
