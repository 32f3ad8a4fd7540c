// The stage: the picture that was asked for, the original behind it, and the two ways to compare them.

import { byId } from "./dom.js";
import { enlarge } from "./upscale.js";
import { t } from "./words.js";

const SMALL = 128; // pixels a side up to which a picture is enlarged with care rather than by the browser
const DRAFT = 64; // the same while a hand moves: larger ones would take the next picture's time
export const REST = 150; // ms without another picture: a hand that moves has shorter breaks

export class Picture {
  constructor() {
    this.element = byId("picture");
    this.now = byId("now");
    this.original = byId("original");
    this.wipe = byId("wipe");
    this.badge = byId("badge");
    this.wiping = false;
    /** @type {ImageBitmap|ImageData|null} */
    this.bitmap = null;
    this.draft = false; // not finished yet
    this.wipe.addEventListener("input", () => this.place());
  }

  /** @param {ImageBitmap|ImageData} bitmap @param {number} version  of the state that it shows */
  show(bitmap, version) {
    this.bitmap = bitmap;
    this.draw();
    if (!this.rehearsed && bitmap.width <= SMALL) rehearse(pixels(bitmap));
    this.rehearsed = true;
    byId("first-picture")?.remove();
    this.element.dispatchEvent(new CustomEvent("painted", { bubbles: true, detail: version }));
  }

  /** A small picture is enlarged as a draft, and finished once no other follows: while a hand moves, none has to be. */
  draw() {
    clearTimeout(this.resting);
    this.draft = this.bitmap.width <= SMALL;
    draw(this.now, this.bitmap, this.draft);
    if (this.draft) this.resting = setTimeout(() => this.finish(), REST);
  }

  finish() {
    this.draft = false;
    draw(this.now, this.bitmap);
  }

  /** What compare shows. @param {ImageBitmap|ImageData|null} bitmap */
  showOriginal(bitmap) {
    if (bitmap === this.originalBitmap) return;
    this.originalBitmap = bitmap;
    if (bitmap) draw(this.original, bitmap);
    this.place();
  }

  /** Hold the original in front, or let go. @param {boolean} on */
  compare(on) {
    this.comparing = on;
    this.place();
  }

  /** @param {boolean} on */
  setWipe(on) {
    this.wiping = on;
    this.wipe.hidden = !on;
    this.place();
  }

  place() {
    const visible = (this.comparing || this.wiping) && this.originalBitmap;
    this.original.hidden = !visible;
    this.element.style.setProperty("--wipe", this.comparing ? "100%" : `${this.wipe.value}%`);
    this.element.classList.toggle("wiping", this.wiping && !this.comparing && Boolean(this.originalBitmap));
    this.badge.hidden = !this.comparing;
    this.badge.textContent = t`original`;
  }

  /** The picture as it came, not enlarged, as a PNG. @returns {Promise<Blob>} */
  async png() {
    const { width, height } = this.bitmap;
    const canvas = new OffscreenCanvas(width, height);
    put(canvas.getContext("2d"), this.bitmap);
    return canvas.convertToBlob({ type: "image/png" });
  }
}

/**
 * Show a picture, enlarged where it is small.
 * @param {HTMLCanvasElement} canvas @param {ImageBitmap|ImageData} bitmap @param {boolean} draft
 */
export function draw(canvas, bitmap, draft = false) {
  const shown = bitmap.width > (draft ? DRAFT : SMALL) ? bitmap : enlarge(pixels(bitmap), draft);
  if (canvas.width !== shown.width || canvas.height !== shown.height) {
    canvas.width = shown.width;
    canvas.height = shown.height;
  }
  put(canvas.getContext("2d"), shown);
}

function put(context, bitmap) {
  if (bitmap instanceof ImageData) context.putImageData(bitmap, 0, 0);
  else context.drawImage(bitmap, 0, 0);
}

/** Browsers compile well what has run often: enlarge in idle moments, before a hand waits for it. @param {ImageData} source */
function rehearse(source, times = 24) {
  const idle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  idle(() => {
    enlarge(source, times % 2 === 0);
    if (times > 1) rehearse(source, times - 1);
  });
}

/** @type {OffscreenCanvasRenderingContext2D|null} */
let reader = null;

function pixels(bitmap) {
  if (bitmap instanceof ImageData) return bitmap;
  const { width, height } = bitmap;
  if (reader?.canvas.width !== width || reader.canvas.height !== height) {
    reader = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  }
  reader.drawImage(bitmap, 0, 0);
  return reader.getImageData(0, 0, width, height);
}
