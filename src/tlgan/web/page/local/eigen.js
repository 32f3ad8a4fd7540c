// Eigenvalues and eigenvectors of a small symmetric matrix, by cyclic Jacobi rotations (Golub and Van Loan, "Matrix
// Computations", 8.5): as accurate as anything, and quick up to a few dozen rows.

const SWEEPS = 50;

/**
 * @param {Float64Array} symmetric [size, size] @param {number} size
 * @returns {{values: number[], vectors: Float64Array}} eigenvectors as the columns of [size, size]
 */
export function eigen(symmetric, size) {
  const matrix = Float64Array.from(symmetric);
  const vectors = new Float64Array(size * size);
  for (let k = 0; k < size; k++) vectors[k * size + k] = 1;
  const scale = dotted(matrix);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let off = 0;
    for (let p = 0; p < size; p++) for (let q = 0; q < p; q++) off += matrix[p * size + q] ** 2;
    if (off <= 1e-30 * scale) break;
    for (let p = 0; p < size - 1; p++) for (let q = p + 1; q < size; q++) rotate(matrix, vectors, size, p, q);
  }
  return { values: Array.from({ length: size }, (_, k) => matrix[k * size + k]), vectors };
}

/** Turn the plane of rows and columns p and q so that their coupling vanishes. */
function rotate(matrix, vectors, size, p, q) {
  const coupling = matrix[p * size + q];
  if (coupling === 0) return;
  const half = (matrix[q * size + q] - matrix[p * size + p]) / (2 * coupling);
  const tangent = (half >= 0 ? 1 : -1) / (Math.abs(half) + Math.sqrt(half * half + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  for (let k = 0; k < size; k++) turn(matrix, k * size + p, k * size + q, cosine, sine);
  for (let k = 0; k < size; k++) turn(matrix, p * size + k, q * size + k, cosine, sine);
  for (let k = 0; k < size; k++) turn(vectors, k * size + p, k * size + q, cosine, sine);
}

function turn(array, one, other, cosine, sine) {
  const x = array[one];
  const y = array[other];
  array[one] = cosine * x - sine * y;
  array[other] = sine * x + cosine * y;
}

const dotted = (array) => array.reduce((sum, value) => sum + value * value, 0);
