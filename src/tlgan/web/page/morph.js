// The walk between two faces: keep one as A and one as B, stand anywhere between them, let it play, save it as a film.

import * as dialog from "./dialog.js";
import { byId, complain, download, icon, make } from "./dom.js";
import { toFace } from "./state.js";
import * as gestures from "./state.js";
import { t } from "./words.js";

const SECONDS = 4; // there and back
const FPS = 24;

export class Morph {
  /**
   * @param {import("./engine.js").Engine} engine @param {import("./engine.js").Description} description
   * @param {import("./store.js").Store} store @param {import("./faces.js").Thumbs} thumbs
   */
  constructor(engine, description, store, thumbs) {
    this.engine = engine;
    this.description = description;
    this.store = store;
    this.thumbs = thumbs;
    this.bar = byId("walk");
    this.playButton = byId("play");
    this.filmButton = byId("film");
    this.ends = { a: byId("keep-a"), b: byId("keep-b") };
    for (const [end, button] of Object.entries(this.ends)) {
      button.prepend((button.canvas = thumbs.canvas()));
      button.addEventListener("click", () => this.press(end));
    }
    this.bar.addEventListener("input", () => {
      this.pause();
      store.do((state) => gestures.walk(state, this.bar.value / 1000), "walk");
    });
    this.bar.addEventListener("change", () => store.settle());
    this.playButton.addEventListener("click", () => this.toggle());
    this.filmButton.addEventListener("click", () => this.askFormat());
  }

  /** @param {import("./state.js").State} state */
  update(state) {
    const ready = Boolean(state.a && state.b);
    for (const [end, button] of Object.entries(this.ends)) {
      const kept = state[end];
      button.classList.toggle("kept", Boolean(kept));
      if (kept) this.thumbs.paint(kept, button.canvas);
      const letter = end.toUpperCase();
      button.title = kept ? t`Keep this face as ${letter} instead (${letter})` : t`Keep this face as ${letter} (${letter})`;
    }
    this.bar.disabled = this.playButton.disabled = !ready;
    this.filmButton.disabled = !ready || !this.description.films.length;
    this.bar.value = Math.round(1000 * (state.at ?? 0));
    this.bar.style.setProperty("--at", `${100 * (state.at ?? 0)}%`);
    byId("morph").classList.toggle("ready", ready);
    byId("morph").classList.toggle("walking", state.at !== null);
    if (state.at === null) this.pause();
  }

  press(end) {
    this.pause();
    this.store.do((state) => gestures.keep(state, end));
  }

  toggle() {
    if (this.playing) {
      this.pause();
      this.store.settle();
    } else if (!this.playButton.disabled) {
      this.play();
    }
  }

  play() {
    const at = this.store.state.at ?? 0;
    // Where in the loop this place is: the loop is slow at both ends.
    const begun = performance.now() - (Math.acos(1 - 2 * at) / (2 * Math.PI)) * SECONDS * 1000;
    this.show(true);
    const tick = (now) => {
      if (!this.playing) return;
      const turn = (now - begun) / (SECONDS * 1000);
      this.store.do((state) => gestures.walk(state, 0.5 - 0.5 * Math.cos(2 * Math.PI * turn)), "play");
      this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
  }

  pause() {
    if (!this.playing) return;
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.show(false);
  }

  show(playing) {
    this.playButton.replaceChildren(icon(playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", playing ? t`Pause` : t`Play`);
  }

  askFormat() {
    this.pause();
    const formats = this.description.films.map((format) =>
      make(
        "button.primary",
        {
          click: () => {
            dialog.close();
            this.save(format);
          },
        },
        format.toUpperCase(),
      ),
    );
    const body = make("div.choices", {}, make("p", {}, t`A loop of four seconds, from A to B and back.`), ...formats);
    dialog.show(t`Save the walk`, body, "small");
  }

  async save(format) {
    const { a, b } = this.store.state;
    this.filmButton.disabled = true;
    this.filmButton.textContent = t`making it …`;
    try {
      const options = { format, fps: FPS, frames: SECONDS * FPS };
      const film = await this.engine.film(toFace(a, this.description.features), toFace(b, this.description.features), options);
      download(film, `${this.description.name}-walk.${format}`);
      complain("morph-error");
    } catch (error) {
      complain("morph-error", error);
    }
    this.filmButton.disabled = false;
    this.filmButton.textContent = t`film`;
  }
}
