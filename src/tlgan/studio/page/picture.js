// The stage: the picture that was asked for, the original behind it, and the two ways to compare them.

import { byId } from "./dom.js";
import { enlarge } from "./upscale.js";

const SMALL = 128; // pixels a side up to which a picture is enlarged with care rather than by the browser

export class Picture {
  constructor() {
    this.element = byId("picture");
    this.now = byId("now");
    this.original = byId("original");
    this.wipe = byId("wipe");
    this.badge = byId("badge");
    this.wiping = false;
    /** @type {ImageBitmap|null} */
    this.bitmap = null;
    this.wipe.addEventListener("input", () => this.place());
  }

  /** @param {ImageBitmap} bitmap */
  show(bitmap) {
    this.bitmap = bitmap;
    draw(this.now, bitmap);
    byId("first-picture")?.remove();
    this.element.dispatchEvent(new CustomEvent("painted", { bubbles: true }));
  }

  /** What compare shows. @param {ImageBitmap|null} bitmap */
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
    this.badge.textContent = "original";
  }

  /** The picture as it came, not enlarged, as a PNG. @returns {Promise<Blob>} */
  async png() {
    const { width, height } = this.bitmap;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(this.bitmap, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }
}

/** @param {HTMLCanvasElement} canvas @param {ImageBitmap} bitmap */
export function draw(canvas, bitmap) {
  if (bitmap.width > SMALL) {
    fit(canvas, bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return;
  }
  const reader = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  reader.drawImage(bitmap, 0, 0);
  const large = enlarge(reader.getImageData(0, 0, bitmap.width, bitmap.height));
  fit(canvas, large.width, large.height);
  canvas.getContext("2d").putImageData(large, 0, 0);
}

function fit(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}
