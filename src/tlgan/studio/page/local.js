// The engine that needs no server: a worker of this page paints, measures and solves, with the networks that the page was
// published with. The picture painted when the page was made shows until the first one from here.

import { Site } from "./local/site.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./engine.js").Frame} Frame */
/** @typedef {import("./engine.js").View} View */

/** @returns {Promise<Engine>} */
export async function open() {
  const first = read("first");
  const manifest = read("site");
  return new Local(first, manifest, new Worker(new URL("./local/worker.js", import.meta.url), { type: "module" }));
}

const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");

export class Local {
  constructor(first, manifest, worker) {
    this.first_ = first;
    this.worker = worker;
    this.id = 0;
    /** @type {{id: number, view: View, resolve: Function, reject: Function, onframe?: Function} | null} */
    this.newest = null;
    this.calls = new Map();
    this.failure = null;
    this.measured = null;
    this.progress = new Loading(new Site(manifest, document.baseURI).weight());
    worker.onmessage = ({ data }) => this.hear(data);
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

  // -- frames ------------------------------------------------------------------------------------------------------

  render(view, { signal, onframe } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      if (this.failure) return reject(new Error(this.failure));
      this.newest?.reject(aborted());
      const request = { id: ++this.id, view, resolve, reject, onframe };
      this.newest = request;
      signal?.addEventListener("abort", () => {
        if (this.newest === request) this.newest = null;
        reject(aborted());
      });
      this.worker.postMessage({ id: request.id, view });
    });
  }

  hear(data) {
    if ("loaded" in data) this.progress.show(data.loaded);
    else if (data.ready) this.begin(data.ready);
    else if (data.failed) this.fail(data.failed);
    else if (data.call) this.reply(data);
    else if (data.id === this.newest?.id) this.see(data);
    else data.frame?.bitmap.close();
  }

  see({ frame, error }) {
    const request = this.newest;
    if (error) {
      this.newest = null;
      request.reject(new Error(error));
      return;
    }
    // A picture comes before its measurements: until then the last ones of this face stand.
    if (frame.measured) this.measured = { own: frame.own, values: frame.measured };
    else frame.measured = same(this.measured?.own, frame.own) ? this.measured.values : frame.own;
    request.onframe?.(frame);
    if (!frame.final) return;
    this.newest = null;
    request.resolve(frame);
  }

  begin(ready) {
    this.progress.done();
    document.documentElement.dataset.engine = `${ready.backend}-${ready.threads}`;
    performance.mark("engine-ready", { detail: ready });
  }

  fail(words) {
    this.failure ??= words;
    this.progress.done();
    this.newest?.reject(new Error(this.failure));
    this.newest = null;
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

  ask(verb, given) {
    if (this.failure) return Promise.reject(new Error(this.failure));
    return new Promise((resolve, reject) => {
      const call = ++this.id;
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
    this.element.setAttribute("aria-label", "Loading the networks of this page");
    this.timer = setTimeout(() => document.body.append(this.element), 700);
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
