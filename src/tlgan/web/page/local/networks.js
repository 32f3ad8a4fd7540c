// The networks in ONNX Runtime Web: WebGPU where there is one that computes right, else WebAssembly with threads where
// the page is isolated, else on one thread. Only the runtime that is used is fetched.

/** @typedef {import("./site.js").Site} Site */

const TOLERANCE = 1.5; // mean grey levels by which a GPU may miss the picture that was painted beside this page

/** @param {Site} site @param {string} [wanted] "wasm" or "webgpu"; the best there is otherwise @returns {Promise<Networks>} */
export async function openNetworks(site, wanted) {
  const graphics = site.has("runtime-webgpu") && wanted !== "wasm" && (wanted === "webgpu" || (await hasGraphics()));
  if (graphics) {
    try {
      const networks = await Networks.open(site, "webgpu");
      if ((await networks.miss()) <= TOLERANCE) return networks;
    } catch (error) {
      if (wanted === "webgpu") throw error;
    }
  }
  return Networks.open(site, "wasm");
}

async function hasGraphics() {
  const adapter = await /** @type {any} */ (globalThis.navigator)?.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter));
}

export class Networks {
  /** @param {Site} site @param {string} backend @param {any} ort the runtime, and its sessions by network */
  constructor(site, backend, ort, sessions) {
    this.site = site;
    this.backend = backend;
    this.ort = ort;
    this.sessions = sessions;
    /** @type {number} */
    this.threads = ort.env.wasm.numThreads;
    /** Runs one after the other: a session can't be entered twice. */
    this.turn = /** @type {Promise<unknown>} */ (Promise.resolve());
  }

  /** @param {Site} site @param {string} backend @param {string[]} [wanted] the networks to open, of those there are */
  static async open(site, backend, wanted = ["generator", "extractor", "mapping"]) {
    const names = wanted.filter((name) => site.has(name));
    const [ort, runtime, ...models] = await Promise.all([
      import(site.url(`ort-${backend}`)),
      site.bytes(`runtime-${backend}`),
      ...names.map((name) => site.bytes(name)),
    ]);
    ort.env.wasm.wasmBinary = runtime;
    ort.env.wasm.numThreads = backend === "wasm" ? threads() : 1;
    ort.env.logLevel = "error";
    const sessions = {};
    for (const [k, name] of names.entries()) {
      const options = { executionProviders: [backend], graphOptimizationLevel: "all" };
      sessions[name] = await ort.InferenceSession.create(models[k], options);
    }
    ort.env.wasm.wasmBinary = undefined;
    return new Networks(site, backend, ort, sessions);
  }

  get measures() {
    return "extractor" in this.sessions;
  }

  /** Latent [d] -> picture [C, H, W], nominal range [-1, 1]. @param {Float32Array} latent @returns {Promise<Float32Array>} */
  paint(latent) {
    return this.run("generator", latent, [1, latent.length]);
  }

  /** Picture [C, H, W] -> responses [f]. @param {Float32Array} picture @returns {Promise<Float32Array>} */
  measure(picture) {
    const { channels, height, width } = this.site.facts.picture;
    const clipped = picture.map((value) => Math.min(1, Math.max(-1, value)));
    return this.run("extractor", clipped, [1, channels, height, width]);
  }

  /** z [d] -> w [d], truncated. @param {Float32Array} z @returns {Promise<Float32Array>} */
  map(z) {
    return this.run("mapping", z, [1, z.length]);
  }

  run(name, values, shape) {
    const done = this.turn.then(async () => {
      const session = this.sessions[name];
      const feeds = { [session.inputNames[0]]: new this.ort.Tensor("float32", values, shape) };
      const results = await session.run(feeds);
      const result = results[session.outputNames[0]];
      return /** @type {Float32Array} */ (await result.getData());
    });
    this.turn = done.catch(() => {});
    return done;
  }

  /** Mean difference, in grey levels, to the picture that was painted when the page was published. */
  async miss() {
    const { latent, pixels, side } = this.site.facts.probe;
    const { channels, height, width } = this.site.facts.picture;
    const picture = await this.paint(Float32Array.from(latent));
    let sum = 0;
    pixels.forEach((level, k) => {
      const [channel, row, column] = [Math.floor(k / side / side), Math.floor(k / side) % side, k % side];
      const at = (channel * height + Math.floor((row * height) / side)) * width + Math.floor((column * width) / side);
      sum += Math.abs((Math.min(1, Math.max(-1, picture[at])) + 1) * 127.5 - level);
    });
    return sum / (side * side * channels);
  }
}

/** Half of the cores, at most four: the page that shows the pictures wants some too. */
function threads() {
  if (!globalThis.crossOriginIsolated) return 1;
  return Math.max(1, Math.min(4, (globalThis.navigator?.hardwareConcurrency ?? 2) >> 1));
}
