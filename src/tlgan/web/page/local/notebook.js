// The widget in a notebook. Live, the kernel paints: one request at a time is on its way, and always the newest. Static,
// the notebook carries the networks and this page computes, whether there is a kernel or not.

import { Local } from "../local.js";
import { Widget } from "./widget.js";

/** As anywidget calls it, with what else the widget is made of. */
export function render({ model, el }, { urls, style, sprite }) {
  const first = model.get("first");
  const site = model.get("site");
  const engine = site.facts
    ? new Local(first, carried(site, model.get("files")), new Worker(urls["local/worker.js"], { type: "module" }))
    : new Kernel(model, first);
  const host = document.createElement("div");
  el.append(host);
  let told = null;
  const widget = new Widget(host, {
    engine,
    first: { ...first, face: model.get("face") },
    sliders: model.get("sliders"),
    style,
    sprite,
    onface: (face) => {
      told = JSON.stringify(face);
      if (told === JSON.stringify(model.get("face"))) return;
      model.set("face", face);
      model.save_changes();
    },
  });
  const moved = () => JSON.stringify(model.get("face")) !== told && widget.go(model.get("face"));
  model.on("change:face", moved);
  return () => {
    model.off("change:face", moved);
    engine.close();
  };
}

/** The manifest with its files inside; a notebook hands bytes over as views of larger buffers. */
function carried(site, files) {
  const entries = Object.entries(files).map(([name, view]) => {
    const data = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
    return [name, { data, size: site.sizes[name] }];
  });
  return { files: Object.fromEntries(entries), facts: site.facts, cache: "" };
}

/** The engine that is the kernel this widget belongs to. */
export class Kernel {
  constructor(model, first) {
    this.model = model;
    this.first_ = first;
    this.id = 0;
    this.busy = 0; // the request that the kernel works on
    this.requests = new Map(); // the newest, and the one the kernel works on
    this.listen = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.listen);
  }

  close() {
    this.model.off("msg:custom", this.listen);
  }

  async describe() {
    return this.first_.describe;
  }

  first() {
    return this.first_;
  }

  /** @param {import("../engine.js").View} view @param {import("../engine.js").Asked} [options] @returns {Promise<any>} */
  render(view, { onframe } = {}) {
    return new Promise((resolve, reject) => {
      this.newest?.reject(new DOMException("superseded", "AbortError"));
      if (this.id !== this.busy) this.requests.delete(this.id);
      this.requests.set(++this.id, { view, resolve, reject, onframe });
      if (!this.busy) this.send();
    });
  }

  get newest() {
    return this.requests.get(this.id);
  }

  send() {
    this.busy = this.id;
    this.model.send({ id: this.id, view: this.newest.view });
  }

  async receive({ id, error, done, side, frame }, buffers) {
    const request = this.requests.get(id);
    if (done && id === this.busy) {
      this.busy = 0;
      this.requests.delete(id);
      if (this.newest) this.send();
    }
    if (!request) return;
    if (error) {
      request.reject(new Error(error));
      return;
    }
    const [view] = buffers ?? [];
    if (view) request.bitmap = await decoded(view, side);
    // A picture that something newer was asked for since is still newer than the one on the screen; its numbers are not.
    request.onframe?.(id === this.id ? { ...frame, bitmap: request.bitmap } : { bitmap: request.bitmap });
    if (done) request.resolve({ ...frame, bitmap: request.bitmap });
  }
}

/** Raw RGBA where a side is given, else a file. @returns {Promise<ImageData | ImageBitmap>} */
async function decoded(view, side) {
  const bytes = new Uint8ClampedArray(view.buffer, view.byteOffset, view.byteLength).slice();
  if (side) return new ImageData(bytes, side);
  return createImageBitmap(new Blob([bytes], { type: "image/webp" }), { colorSpaceConversion: "none" });
}
