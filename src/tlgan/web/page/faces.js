// The strip of recent faces, each with its edits, and small pictures of what was seen.

import { byId, make } from "./dom.js";
import { t } from "./words.js";

const SIDE = 96;
const KEPT = 400;

/** Small copies of pictures, by what they show. */
export class Thumbs {
  constructor() {
    /** @type {Map<string, HTMLCanvasElement>} */
    this.pictures = new Map();
  }

  /** @param {import("./state.js").Entry} entry @param {HTMLCanvasElement | HTMLImageElement} picture */
  put(entry, picture, keys = [exactly(entry), start(entry)]) {
    const small = make("canvas", { width: SIDE, height: SIDE });
    const context = small.getContext("2d");
    context.imageSmoothingQuality = "high";
    const scale = SIDE / Math.max(picture.width, picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    context.drawImage(picture, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    for (const key of keys) {
      this.pictures.delete(key);
      this.pictures.set(key, small);
    }
    while (this.pictures.size > KEPT) this.pictures.delete(this.pictures.keys().next().value);
  }

  /** Fetch the pictures of faces that were passed before theirs came. @param {import("./state.js").Entry[]} entries */
  async fetch(entries, engine, most) {
    const missing = entries.filter((entry) => "seed" in entry.start && !this.get(entry)).slice(-most);
    if (!missing.length) return false;
    const found = await engine.gallery({ seeds: missing.map(({ start }) => /** @type {{seed: number}} */ (start).seed) });
    await Promise.all(
      found.map(async ({ picture }, k) => {
        const image = make("img", { src: picture });
        await image.decode();
        this.put(missing[k], image, [start(missing[k])]);
      }),
    );
    return true;
  }

  /** A picture of exactly this, or else the last of this face. */
  get(entry) {
    return this.pictures.get(exactly(entry)) ?? this.pictures.get(start(entry));
  }

  /** Paint it on a canvas. @param {HTMLCanvasElement & {shown?: unknown}} canvas */
  paint(entry, canvas) {
    const small = this.get(entry);
    if (canvas.shown === small) return;
    canvas.shown = small;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    if (small) context.drawImage(small, 0, 0);
  }

  canvas() {
    return make("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
  }
}

const start = (entry) => JSON.stringify(entry.start);
const exactly = ({ start, asked, locks, others, guard, exact }) => JSON.stringify([start, asked, locks, others, guard, exact]);

export class Faces {
  /** @param {Thumbs} thumbs @param {(id: number) => void} choose */
  constructor(thumbs, choose) {
    this.thumbs = thumbs;
    this.choose = choose;
    this.element = byId("recent");
    this.earlier = byId("earlier");
    this.later = byId("later");
    this.buttons = new Map();
  }

  /** @param {import("./state.js").State} state */
  update(state) {
    const ids = new Set(state.faces.map(({ id }) => id));
    for (const [id, item] of this.buttons) {
      if (!ids.has(id)) {
        item.element.remove();
        this.buttons.delete(id);
      }
    }
    state.faces.forEach((entry, index) => {
      const item = this.buttons.get(entry.id) ?? this.add(entry.id);
      if (this.element.children[index] !== item.element) {
        this.element.insertBefore(item.element, this.element.children[index] ?? null);
      }
      const here = index === state.current && state.at === null;
      const edits = Object.keys(entry.asked).length;
      this.thumbs.paint(entry, item.canvas);
      item.button.setAttribute("aria-label", [faceName(entry), edits === 1 && t`1 edit`, edits > 1 && t`${edits} edits`].filter(Boolean).join(", "));
      item.button.classList.toggle("edited", edits > 0);
      if (here !== item.here) {
        item.here = here;
        if (here) item.button.setAttribute("aria-current", "true");
        else item.button.removeAttribute("aria-current");
        if (here) this.show(item.element);
      }
    });
    this.earlier.disabled = state.current === 0;
    this.later.disabled = state.current === state.faces.length - 1;
  }

  /** Scroll the strip alone, never the page. */
  show(element) {
    const { offsetLeft, offsetWidth } = element;
    const { scrollLeft, clientWidth } = this.element;
    const left = offsetLeft - this.element.offsetLeft;
    if (left < scrollLeft) this.element.scrollLeft = left - 8;
    else if (left + offsetWidth > scrollLeft + clientWidth) this.element.scrollLeft = left + offsetWidth - clientWidth + 8;
  }

  add(id) {
    const canvas = this.thumbs.canvas();
    const button = make("button.thumb-face", { click: () => this.choose(id) }, canvas);
    const item = { canvas, button, element: make("li", {}, button), here: false };
    this.buttons.set(id, item);
    return item;
  }
}

/** "face 7". @param {{start: any}} entry */
export const faceName = ({ start }) => ("seed" in start ? t`face ${start.seed}` : start.photo === undefined ? t`face without a number` : t`photograph`);
