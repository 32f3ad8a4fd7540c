// Whole pictures, after the small ones: a worker of its own paints them, so that no frame waits for one, and only when the
// hand rests. It fetches its network when the rest of the page can be used.

import { REST } from "../picture.js";

export class Whole {
  /** @param {() => Worker} start @param {{manifest: any, base: string}} site */
  constructor(start, site) {
    this.start = start;
    this.site = site;
    /** @type {Worker|null} */
    this.worker = null;
    this.id = 0;
    /** @type {Map<number, {resolve: Function, reject: Function}>} */
    this.waiting = new Map();
    this.failed = false;
    /** The whole picture on the screen. @type {{key: string, bitmap: ImageBitmap}|null} */
    this.kept = null;
  }

  /** Fetch the network: what a visitor waits for is here. @param {string} backend */
  begin(backend) {
    this.worker = this.start();
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = () => this.receive({ failed: true });
    this.worker.postMessage({ open: { ...this.site, backend } });
  }

  close() {
    clearTimeout(this.resting);
    this.worker?.terminate();
  }

  /** The picture that was painted into the page counts as shown. @param {string} key @param {string} address */
  async keepFirst(key, address) {
    const image = new Image();
    image.src = address;
    await image.decode().catch(() => {});
    if (image.complete && !this.kept) this.kept = { key, bitmap: await createImageBitmap(image, { colorSpaceConversion: "none" }) };
  }

  /** The whole picture of a view, if it is on the screen. @param {string} key */
  shown(key) {
    return this.kept?.key === key ? this.kept.bitmap : null;
  }

  /** The hand moves again. */
  forget() {
    clearTimeout(this.resting);
    this.resting = 0;
  }

  /** Paint a latent (base64) once the hand rests, and call `show` with it. */
  rest(latent, key, show) {
    this.forget();
    if (this.failed || this.shown(key)) return;
    const due = setTimeout(async () => {
      const bitmap = await this.paint(latent).catch(() => null);
      if (!bitmap || this.resting !== due || show(bitmap) === false) return; // another view by now
      this.kept = { key, bitmap };
    }, REST);
    this.resting = due;
  }

  /** @param {string} latent @returns {Promise<ImageBitmap>} */
  paint(latent) {
    return this.ask({ latent });
  }

  /** The same as a PNG. @param {string} latent @returns {Promise<Blob>} */
  png(latent) {
    return this.ask({ latent, png: true });
  }

  ask(request) {
    if (this.failed || !this.worker) return Promise.reject(new Error("whole pictures can't be painted here"));
    return new Promise((resolve, reject) => {
      const id = ++this.id;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...request });
    });
  }

  /** @param {{id?: number, result?: any, error?: string, failed?: boolean}} answer */
  receive({ id, result, error, failed }) {
    if (failed) {
      this.failed = true;
      for (const { reject } of this.waiting.values()) reject(new Error("whole pictures can't be painted here"));
      this.waiting.clear();
      return;
    }
    const request = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) request?.reject(new Error(error));
    else request?.resolve(result);
  }
}
