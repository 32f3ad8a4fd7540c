// The engine that needs no server: a worker of this page paints, measures and solves, with the networks that the page was
// published with. The picture painted when the page was made shows until the first one from here.

import { Site } from "./local/site.js";
import { Whole } from "./local/whole.js";
import * as png from "./png_state.js";
import { asked, markPng } from "./provenance.js";
import { t } from "./words.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./engine.js").Frame} Frame */
/** @typedef {import("./engine.js").View} View */

/** @returns {Promise<Engine>} */
export async function open() {
  const first = read("first");
  const manifest = read("site");
  const start = (name) => new Worker(new URL(`./local/${name}.js`, import.meta.url), { type: "module" });
  const whole = manifest.files.whole ? () => start("whole_worker") : null;
  return new Local(first, manifest, start("worker"), whole);
}

const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");

export class Local {
  /** @param {any} first @param {any} manifest @param {Worker} worker
   *  @param {(() => Worker)|null} whole starts the worker that paints whole pictures, where the page has them */
  constructor(first, manifest, worker, whole = null) {
    this.first_ = first;
    this.whole = whole && new Whole(whole, { manifest, base: document.baseURI });
    this.whole?.keepFirst(keyOf({ face: first.face }), first.frame.picture);
    this.worker = worker;
    this.id = 0;
    this.asked = 0;
    /** @type {Map<number, {resolve: Function, reject: Function, onframe?: Function, key: string}>} */
    this.requests = new Map(); // the newest, and older ones whose picture may still come
    this.calls = new Map();
    this.failure = null;
    this.measured = null;
    this.progress = new Loading(new Site(manifest, document.baseURI).weight());
    worker.onmessage = ({ data }) => this.receive(data);
    worker.onerror = (event) => this.fail(event.message || "The engine of this page could not be started.");
    const backend = new URLSearchParams(location.search).get("backend") ?? undefined;
    worker.postMessage({ open: { manifest, base: document.baseURI, backend } });
    if (manifest.cache) navigator.serviceWorker?.register(new URL("sw.js", document.baseURI)).catch(() => {}); // for offline
  }

  async describe() {
    return this.first_.describe;
  }

  first() {
    return { face: this.first_.face, frame: this.first_.frame };
  }

  onstatus(_listen) {} // nothing to lose: everything is here

  /** Let the worker go. */
  close() {
    this.worker.terminate();
    this.whole?.close();
  }

  // -- frames ------------------------------------------------------------------------------------------------------

  /** @param {import("./engine.js").View} view @param {import("./engine.js").Asked} [options] @returns {Promise<any>} */
  render(view, { signal, onframe } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      if (this.failure) return reject(new Error(this.failure));
      this.newest?.reject(aborted());
      this.whole?.forget();
      const id = ++this.id;
      this.requests.set(id, { resolve, reject, onframe, key: keyOf(view) });
      signal?.addEventListener("abort", () => {
        this.requests.delete(id);
        reject(aborted());
      });
      this.worker.postMessage({ id, view });
    });
  }

  get newest() {
    return this.requests.get(this.id);
  }

  receive(data) {
    if ("loaded" in data) this.progress.show(data.loaded);
    else if (data.ready) this.begin(data.ready);
    else if (data.failed) this.fail(data.failed);
    else if (data.call) this.reply(data);
    else this.see(data);
  }

  see({ id, frame, error }) {
    const request = this.requests.get(id);
    if (!request) return frame?.bitmap.close?.();
    if (error) {
      this.requests.delete(id);
      request.reject(new Error(error));
      return;
    }
    for (const other of this.requests.keys()) if (other < id) this.requests.delete(other);
    // Even where something newer was asked for by now, this picture is newer than the one on the screen: show it.
    if (request !== this.newest) return request.onframe?.({ bitmap: frame.bitmap, final: false });
    const whole = this.whole?.shown(request.key);
    if (whole) frame.bitmap = whole; // it is on the screen already: no step back to the small one
    // A picture comes before its measurements: until then the last ones of this face stand.
    if (frame.measured) this.measured = { own: frame.own, values: frame.measured };
    else frame.measured = same(this.measured?.own, frame.own) ? this.measured.values : frame.own;
    request.onframe?.(frame);
    if (!frame.final) return;
    this.requests.delete(id);
    request.resolve(frame);
    this.whole?.rest(frame.place, request.key, (bitmap) => id === this.id && request.onframe?.({ ...frame, bitmap }));
  }

  begin(ready) {
    this.progress.done();
    document.documentElement.dataset.engine = `${ready.backend}-${ready.threads}`;
    performance.mark("engine-ready", { detail: ready });
    this.whole?.begin(ready.backend);
  }

  fail(words) {
    this.failure ??= words;
    this.progress.done();
    this.newest?.reject(new Error(this.failure));
    this.requests.clear();
    for (const { reject } of this.calls.values()) reject(new Error(this.failure));
    this.calls.clear();
  }

  // -- words -------------------------------------------------------------------------------------------------------

  solve(face) {
    return this.ask("solve", { face });
  }

  async random(seed) {
    return { seed, asked: {}, locks: [], exact: false };
  }

  gallery(wish) {
    return this.ask("gallery", { wish });
  }

  strip(face, feature, asked) {
    return this.ask("strip", { face, feature, asked });
  }

  film(a, b, options) {
    return this.ask("film", { a, b, options });
  }

  state(face) {
    return this.ask("state", { face });
  }

  open(state) {
    return this.ask("open", { state });
  }

  /** The whole picture with its state inside; null where this page has none, or can't load what paints it. */
  async saved(face, remember) {
    if (!this.whole) return null;
    const { latent } = await this.solve(face);
    const picture = await this.whole.png(latent).catch(() => null);
    if (!picture) return null;
    const file = remember ? await png.write(picture, await this.state(face)) : picture;
    return markPng(file, this.first_.describe.provenance, asked(face));
  }

  ask(verb, given) {
    if (this.failure) return Promise.reject(new Error(this.failure));
    return new Promise((resolve, reject) => {
      const call = ++this.asked;
      this.calls.set(call, { resolve, reject });
      this.worker.postMessage({ call, verb, ...given });
    });
  }

  reply({ call, result, error }) {
    const waiting = this.calls.get(call);
    this.calls.delete(call);
    if (error) waiting?.reject(new Error(error));
    else waiting?.resolve(result);
  }
}

/** How much of the networks is here, where that takes long enough to wonder. */
class Loading {
  constructor(total) {
    this.total = total;
    this.element = document.createElement("progress");
    this.element.className = "loading";
    this.element.max = total;
    this.element.setAttribute("aria-label", t`Loading the networks of this page`);
    if (total) this.timer = setTimeout(() => (document.querySelector("main") ?? document.body).append(this.element), 700); // nothing to fetch, nothing to show
  }

  show(loaded) {
    this.element.value = Math.min(loaded, this.total);
    this.element.title = `${Math.round((100 * loaded) / this.total)} % of ${(this.total / 1e6).toFixed(1)} MB`;
  }

  done() {
    clearTimeout(this.timer);
    this.element.remove();
  }
}

const same = (one, other) => one === other || (one && other && one.every((value, k) => value === other[k]));

function aborted() {
  return new DOMException("superseded", "AbortError");
}

/** What a view shows, however it was found. */
const keyOf = (view) => JSON.stringify(view, (name, value) => (name === "reached" ? undefined : value));
