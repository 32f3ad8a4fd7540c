// The engine that is a server: frames over one websocket, the rest over HTTP. The newest view is always in flight;
// an older one that nobody waits for any more is dropped. A lost connection is taken up again, and the last view with it;
// where the server or a proxy refuses one, the page says why and does not try for ever.

import { said, t, word } from "./words.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./engine.js").Frame} Frame */
/** @typedef {import("./engine.js").View} View */

const HEADER = 16;
const MAGIC = 0x46474c54; // "TLGF", little-endian
const TYPES = { 1: "image/png", 2: "image/webp", 4: "image/jpeg" };
const RGBA = 3;
const GAVE_WAY = 4408; // the server closed a page that was silent
const AGAIN = 10_000; // milliseconds until the next try at a server that is full, or whose websocket does not come through
const LOST = t`The connection is lost. What you ask for is kept; it goes on by itself.`;
const STEP = t`It is tried again with your next step.`;

/** @returns {Promise<Engine>} */
export async function open() {
  return new Remote();
}

class Remote {
  constructor() {
    this.first_ = JSON.parse(document.getElementById("first")?.textContent ?? "null");
    /** @type {Promise<import("./engine.js").Description> | null} */
    this.description = this.first_ ? Promise.resolve(this.first_.describe) : null;
    this.listeners = [];
    this.trouble = "";
    this.failed = 0; // websockets in a row that were never greeted
    this.waits = false; // for a step of the person, to connect
    this.id = 0;
    this.painted = 0;
    /** @type {Map<number, {view: View, resolve: Function, reject: Function, onframe?: Function, bitmap?: ImageData | Promise<ImageBitmap>}>} */
    this.requests = new Map(); // the newest, and older ones whose picture may still come
    this.delay = 250;
    this.name = crypto.getRandomValues(new Uint32Array(2)).join("-"); // the server lets pages take turns
    /** Requests under way of which only the newest is wanted, by path. @type {Map<string, AbortController>} */
    this.pending = new Map();
    this.connect();
  }

  describe() {
    return (this.description ??= this.get("api/describe"));
  }

  first() {
    return this.first_ && { face: this.first_.face, frame: this.first_.frame };
  }

  onstatus(listen) {
    this.listeners.push(listen);
  }

  // -- frames ------------------------------------------------------------------------------------------------------

  /** @param {import("./engine.js").View} view @param {import("./engine.js").Asked} [options] @returns {Promise<any>} */
  render(view, { signal, onframe } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      this.newest?.reject(aborted());
      const id = (this.id = (this.id + 1) >>> 0);
      this.requests.set(id, { view, resolve, reject, onframe });
      signal?.addEventListener("abort", () => {
        this.requests.delete(id);
        reject(aborted());
      });
      this.send();
    });
  }

  get newest() {
    return this.requests.get(this.id);
  }

  send() {
    if (this.newest && this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ id: this.id, ...this.newest.view }));
    } else if (this.waits) {
      this.connect();
    }
  }

  connect() {
    const address = new URL("live", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => {
      if (typeof event.data === "string") this.receive(JSON.parse(event.data));
      else this.see(event.data);
    };
    this.socket.onclose = (event) => this.closed(event);
    this.waits = false;
  }

  /** @param {CloseEvent} event */
  async closed(event) {
    if (event.target !== this.socket) return; // another one was opened since
    if (event.code === GAVE_WAY) return this.stop(`${word(event.reason)} ${STEP}`);
    this.failed += 1;
    const { trouble, again } = this.failed === 1 ? { trouble: LOST, again: this.delay } : await this.why();
    if (again === null) return this.stop(`${trouble} ${STEP}`);
    this.status(trouble);
    setTimeout(() => this.connect(), again);
    this.delay = Math.min(4000, this.delay * 2);
  }

  /** Why no websocket is to be had, and after how many milliseconds to try again; null: not by itself. */
  async why() {
    const answer = await fetch(new URL("api/hello", document.baseURI), { method: "POST" }).catch(() => null);
    if (answer === null) return { trouble: LOST, again: this.delay };
    const words = await answer.json().catch(() => ({}));
    if (answer.status === 503) return { trouble: words.error ? said(words.error) : t`The server is busy.`, again: AGAIN };
    if (words.error) return { trouble: said(words.error), again: null };
    if (!("version" in words)) {
      return { trouble: t`Something on the way answers in place of the server (${answer.status}).`, again: null };
    }
    const address = this.socket.url;
    return { trouble: t`The server answers, its websocket does not: a proxy on the way has to pass on ${address}.`, again: AGAIN };
  }

  /** Say what is wrong and wait for the person. */
  stop(trouble) {
    this.waits = true;
    this.status(trouble);
  }

  receive(words) {
    if ("version" in words) {
      // the server's greeting
      this.delay = 250;
      this.failed = 0;
      this.describe().then((description) => {
        if (description.version !== words.version) {
          this.socket.onclose = null;
          this.socket.close();
          return this.status(t`The server is of another version (${words.version}) than this page: reload the page.`);
        }
        if (description.generator.fingerprint !== words.generator) return location.reload(); // another workspace now
        this.status("");
        this.send();
      });
      return;
    }
    this.number(words);
  }

  /** A picture: it is there before its numbers are. */
  see(buffer) {
    const header = new DataView(buffer, 0, HEADER);
    const id = header.getUint32(8, true);
    const request = this.requests.get(id);
    if (header.getUint32(0, true) !== MAGIC || !request) return;
    const kind = header.getUint8(5);
    if (kind === RGBA) {
      request.bitmap = new ImageData(new Uint8ClampedArray(buffer, HEADER), header.getUint16(6, true));
      this.paint(id, request, request.bitmap);
      return;
    }
    const blob = new Blob([new Uint8Array(buffer, HEADER)], { type: TYPES[kind] });
    request.bitmap = createImageBitmap(blob, { colorSpaceConversion: "none" });
    request.bitmap.then((bitmap) => this.paint(id, request, bitmap));
  }

  paint(id, request, bitmap) {
    if (id < this.painted) return; // a newer picture was decoded sooner
    this.painted = id;
    // Even where something newer was asked for by now, this picture is newer than the one on the screen: show it.
    request.onframe?.({ bitmap, final: false });
    for (const other of this.requests.keys()) if (other < id) this.requests.delete(other);
  }

  /** Its numbers, or what was wrong with the request. */
  async number(words) {
    const request = this.requests.get(words.id);
    if (!request) return;
    if ("error" in words) {
      this.requests.delete(words.id);
      request.reject(new Error(words.error));
      return;
    }
    const bitmap = await request.bitmap;
    request.onframe?.(words);
    if (!words.final) return;
    this.requests.delete(words.id);
    request.resolve({ ...words, bitmap });
  }

  status(trouble) {
    if (trouble === this.trouble) return;
    this.trouble = trouble;
    for (const listen of this.listeners) listen(trouble);
  }

  // -- words -------------------------------------------------------------------------------------------------------

  solve(face) {
    return this.post("api/solve", { face });
  }

  async random(seed) {
    return { seed, asked: {}, locks: [], exact: false };
  }

  async gallery(wish) {
    return (await this.post("api/gallery", { ...wish, size: 192 }, "wanted" in wish)).faces;
  }

  strip(face, feature, asked) {
    return this.post("api/strip", { face, feature, asked, quality: "live" }, true);
  }

  async film(a, b, options) {
    return (await this.ask("api/film", { a, b, quality: "live", ...options })).blob();
  }

  state(face) {
    return this.post("api/state", { face, quality: "live" });
  }

  /** The whole picture, where the one on the screen is not lossless, or the server signs. */
  async saved(face, remember) {
    const { generator, limits, provenance } = await this.describe();
    if (face.photo === undefined && generator.resolution <= limits.lossless && !provenance.signed) return null;
    return (await this.ask("api/render", { face, quality: "live", state: remember })).blob();
  }

  open(state) {
    return this.post("api/open", state);
  }

  cells(wish) {
    return this.post("api/cells", wish, true);
  }

  near(face, feature) {
    return this.post("api/near", { face, feature }, true);
  }

  photograph(file) {
    return this.post("api/photograph", file);
  }

  invert(message) {
    return this.post("api/invert", message);
  }

  forget(photo) {
    return this.post("api/forget", { photo });
  }

  async get(path) {
    return (await this.ask(path)).json();
  }

  /** `only`: an earlier request for the same is given up, and the server drops its work. */
  async post(path, message, only = false) {
    return (await this.ask(path, message, only ? this.newer(path) : undefined)).json();
  }

  newer(path) {
    this.pending.get(path)?.abort();
    const controller = new AbortController();
    this.pending.set(path, controller);
    return controller.signal;
  }

  /** `message`: a JSON value, or a file. */
  async ask(path, message, signal) {
    const file = message instanceof Blob;
    const options = message && {
      method: "POST",
      headers: { "Content-Type": file ? message.type || "image/unknown" : "application/json", "X-Tlgan-Page": this.name },
      body: file ? message : JSON.stringify(message),
      signal,
    };
    const answer = await fetch(new URL(path, document.baseURI), options).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Error(t`The studio's server does not answer. Is it still running?`);
    });
    if (answer.ok) return answer;
    const words = await answer.json().catch(() => ({}));
    throw new Error(words.error ?? t`The server answered with ${answer.status}.`);
  }
}

function aborted() {
  return new DOMException("superseded", "AbortError");
}
