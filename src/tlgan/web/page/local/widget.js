// The studio in small: one face and a few sliders, in a shadow tree of its own, so that the page around it and this one
// don't style each other. An iframe and a notebook show the same; only their engines differ.

import { make } from "../dom.js";
import { draw } from "../picture.js";
import { Slider } from "../slider.js";
import * as gestures from "../state.js";
import { Store } from "../store.js";
import { inLanguage, said, t } from "../words.js";

/** @typedef {import("../engine.js").Engine} Engine */
/** @typedef {import("../engine.js").Face} Face */

export class Widget {
  /**
   * @param {HTMLElement} host
   * @param {{engine: Pick<Engine, "describe" | "render">, first: any, sliders: string[], style: string, sprite: string, home?: string|null,
   *          onface?: (face: Face) => void}} options
   *   `first`: description, face and frame; `home`: address of the page with all sliders; `onface` hears of every face
   *   that a gesture ended at
   */
  constructor(host, { engine, first, sliders, style, sprite, home = null, onface = () => {} }) {
    this.host = host;
    this.engine = engine;
    this.description = inLanguage(first.describe);
    this.strong = this.description.features.filter(({ weak }) => !weak).map(({ name }) => name);
    this.onface = onface;
    this.store = new Store(gestures.begin(first.face));
    /** Numbers of what is on the screen. */
    this.frame = first.frame;
    this.rows = new Map(this.description.features.map(({ name }, k) => [name, k]));
    this.root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.build(sliders, style, sprite, home);
    this.store.subscribe(() => this.show());
    this.begin(first);
  }

  build(names, style, sprite, home) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    this.root.adoptedStyleSheets = [sheet];
    const hands = {
      ask: (name, value, key) => this.store.do((state) => gestures.ask(state, name, value), key),
      settle: () => this.settle(),
      lock: (name) => this.do((state) => gestures.lock(state, name)),
      hold: (name) => this.sliders.forEach((slider) => slider.hold(slider.feature.name === name)),
    };
    const features = names.map((name) => this.description.features[this.rows.get(name)]).filter(Boolean);
    this.sliders = features.map((feature) => new Slider(feature, this.description.limits.asked, hands));
    this.canvas = make("canvas", { role: "img", "aria-label": t`The face` });
    this.undo = make("button.square", { "aria-label": t`Undo`, title: t`Undo`, click: () => this.store.undo() }, this.icon("undo"));
    this.reset = make("button.text", { title: t`Take back what was asked`, click: () => this.do(gestures.reset) }, t`reset`);
    this.original = make("button.text", { title: t`Hold to see the face without edits` }, t`original`);
    this.error = make("p.error", { role: "alert", hidden: true });
    hold(this.original, (on) => this.compare(on));
    const random = make("button.primary", { title: t`A new random face`, click: () => this.random() }, this.icon("random"), t`random`);
    const about = Object.entries(this.description.about).flatMap(([term, words]) => [
      make("dt", {}, term),
      make("dd", {}, Array.isArray(words) ? words.join("; ") : String(words)),
    ]);
    const summary = make("summary", {}, t`This person does not exist`);
    const notice = make("details.about", {}, summary, make("dl", {}, ...about));
    if (home) notice.append(make("p", {}, make("a", { href: home, target: "_blank", rel: "noopener" }, t`all sliders`)));
    const icons = new DOMParser().parseFromString(sprite, "text/html").body.firstElementChild;
    this.root.replaceChildren(
      icons,
      make(
        "div.widget",
        {},
        make("div.face", {}, make("figure.picture", {}, this.canvas, make("span.mark", {}, t`generated`)), make("div.buttons", {}, random, this.undo, this.original, this.reset)),
        make("div.knobs", {}, ...this.sliders.map((slider) => slider.element), this.error, notice),
      ),
    );
  }

  icon(name) {
    const svg = new DOMParser().parseFromString(
      `<svg class="icon" aria-hidden="true"><use href="#i-${name}"/></svg>`,
      "text/html",
    ).body.firstElementChild;
    return svg;
  }

  /** The face that was painted beforehand, then the engine's own. */
  async begin({ frame }) {
    const image = make("img", { src: frame.picture });
    await image.decode();
    if (!this.shown) draw(this.canvas, await createImageBitmap(image, { colorSpaceConversion: "none" }));
    this.show();
  }

  do(gesture) {
    this.store.do(gesture);
    this.settle();
  }

  settle() {
    this.store.settle();
    this.onface(gestures.toFace(gestures.current(this.store.state), this.strong));
  }

  random() {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
    this.do((state) => gestures.addFace(state, { seed, asked: {}, locks: [], exact: false }));
  }

  /** Go to a face that came from elsewhere. @param {Face} face */
  go(face) {
    this.store.do((state) => gestures.restore(state, face));
    this.store.settle();
  }

  compare(on) {
    if (!on) return this.paint();
    const { start } = gestures.current(this.store.state);
    return this.render({ face: { ...start, asked: {}, locks: [], exact: false } });
  }

  show() {
    const { state } = this.store;
    const entry = gestures.current(state);
    this.undo.disabled = !this.store.canUndo;
    this.reset.disabled = this.original.disabled = !Object.keys(entry.asked).length;
    this.numbers();
    this.paint();
  }

  numbers() {
    const { asked, locks } = gestures.current(this.store.state);
    for (const slider of this.sliders) {
      const { name } = slider.feature;
      const row = this.rows.get(name);
      slider.update({
        asked: asked[name] ?? 0,
        own: this.frame.own[row],
        measured: this.frame.measured[row],
        locked: locks.includes(name),
        kept: false,
      });
    }
  }

  async paint() {
    const entry = gestures.current(this.store.state);
    const frame = await this.render(gestures.view(this.store.state, this.strong));
    if (!frame?.latent) return;
    gestures.arrive(entry, /** @type {import("../engine.js").Reached} */ (frame)); // where looks have led belongs to the face
    if (entry === gestures.current(this.store.state) && this.store.history.key === null) this.settle();
  }

  /** The last frame of a view; nothing where another one was wanted sooner. */
  async render(view) {
    try {
      const frame = await this.engine.render(view, { onframe: (part) => this.arrived(part) });
      this.complain("");
      return frame;
    } catch (error) {
      if (error.name !== "AbortError") this.complain(said(error.message || String(error)));
    }
  }

  arrived(frame) {
    if (frame.bitmap && frame.bitmap !== this.shown) {
      this.shown = frame.bitmap;
      draw(this.canvas, frame.bitmap);
      this.host.dataset.ready = "";
      this.host.dispatchEvent(new CustomEvent("painted", { bubbles: true }));
    }
    if (!frame.measured) return;
    this.frame = frame;
    this.numbers();
  }

  complain(words) {
    this.error.textContent = words;
    this.error.hidden = !words;
  }
}

/** Call with true while a button is held, by pointer or by key. */
function hold(button, act) {
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    act(true);
  });
  for (const end of ["pointerup", "pointercancel"]) button.addEventListener(end, () => act(false));
  button.addEventListener("keydown", (event) => !event.repeat && [" ", "Enter"].includes(event.key) && act(true));
  button.addEventListener("keyup", () => act(false));
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}
