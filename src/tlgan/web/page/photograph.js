// A photograph from a file, the clipboard or the camera to a face with sliders: consent, which face or which square is
// meant, and the inversion with pictures on the way. The engine does the work; nothing of it is kept by the page.

import * as dialog from "./dialog.js";
import { byId, complain, make, tell } from "./dom.js";
import { keep, recall } from "./storage.js";
import { t, word } from "./words.js";

const KEY = "tlgan.photographs"; // "read" in the browser's own storage, once the words about consent were read
const VIDEO = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } };
const QUALITY = 0.95; // of the JPEG that the camera's picture becomes

/** @typedef {{photo: string, width: number, height: number, kind: string, preview: string,
 *             faces: {box: number[], small: boolean}[], chosen: number|null, taken?: boolean}} Sent */

export class Photographs {
  /**
   * @param {import("./engine.js").Engine} engine @param {import("./engine.js").Description} description
   * @param {(photo: string) => void} arrived  a photograph is ready to be edited
   */
  constructor(engine, description, arrived) {
    this.engine = engine;
    this.arrived = arrived;
    this.about = description.photographs;
    /** What is known of those that were opened. @type {Map<string, Sent>} */
    this.known = new Map();
    const button = byId("photograph");
    button.hidden = false;
    button.addEventListener("click", () => this.ask());
    addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (file) this.open(file);
    });
  }

  /** Where the photograph comes from. */
  ask() {
    this.consented(() => {
      const input = make("input", { type: "file", accept: "image/*", hidden: true, id: "photo-file" });
      input.addEventListener("change", () => input.files[0] && this.open(input.files[0]));
      const choose = make("button.primary", { click: () => input.click(), autofocus: true }, t`choose a file`);
      const camera = navigator.mediaDevices?.getUserMedia
        ? make("button.plain", { id: "use-camera", click: () => this.camera() }, t`use the camera`)
        : "";
      const words = make("p.quiet", {}, t`A photograph may also be dropped or pasted anywhere on this page.`);
      this.show(t`Edit a photograph`, words, make("div.choices", {}, input, camera, choose));
    });
  }

  /** @param {Blob} file */
  open(file) {
    this.consented(() => this.send(file));
  }

  /** `go` once the person has read what may be done with pictures of other people. */
  consented(go) {
    if (recall(KEY) !== null) return go();
    const agree = () => {
      keep(KEY, "read"); // a browser that keeps nothing for this page asks again
      go();
    };
    this.show(t`Before the first photograph`, make("p", {}, word(this.about.words)), make("div.choices", {}, make("button.primary", { click: agree, autofocus: true, id: "agree" }, t`understood`)));
  }

  async camera() {
    const video = make("video.camera", { autoplay: true, muted: true, playsinline: true, "aria-label": t`What the camera sees` });
    video.muted = true;
    const take = make("button.primary", { disabled: true, id: "take" }, t`take it`);
    const body = this.show(t`Take a photograph`, video, make("div.choices", {}, take));
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: VIDEO });
    } catch (error) {
      const why = error.name === "NotAllowedError" ? t`The browser was not allowed to use the camera: allow it for this page, or choose a file.` : t`No camera was found: choose a file instead.`;
      return complain("photo-error", new Error(why));
    }
    const stop = () => stream.getTracks().forEach((track) => track.stop());
    if (!body.isConnected) return stop();
    whenGone(body, stop);
    video.srcObject = stream;
    await video.play().catch(() => {});
    take.disabled = false;
    take.addEventListener("click", async () => {
      const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
      canvas.getContext("2d").drawImage(video, 0, 0);
      this.send(await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY }));
    });
  }

  /** Hand it to the engine, and ask which face or which square is meant. @param {Blob} file */
  async send(file) {
    const body = this.show(t`Reading the photograph`, make("p.quiet", { role: "status" }, t`Looking for faces …`));
    try {
      if (file.size > this.about.bytes) throw new Error(t`That file has ${Math.round(file.size / 2 ** 20)} MB: at most ${this.about.bytes / 2 ** 20} MB are read.`);
      const sent = await this.engine.photograph(file);
      if (!body.isConnected) return this.engine.forget(sent.photo);
      this.known.set(sent.photo, sent);
      if (!this.about.faces) this.square(sent);
      else if (sent.faces.length === 1) this.invert(sent, { face: 1 });
      else this.pick(sent);
    } catch (error) {
      if (body.isConnected) this.show(t`This photograph can't be used`, make("div.choices", {}, make("button.primary", { click: () => this.ask() }, t`choose another`)));
      complain(body.isConnected || dialog.isOpen() ? "photo-error" : "file-error", error);
    }
  }

  /** Several faces: the person says which. @param {Sent} sent */
  pick(sent) {
    const boxes = sent.faces.map(({ box, small }, k) => {
      const words = small ? t`Face ${k + 1} of ${sent.faces.length}, too small` : t`Face ${k + 1} of ${sent.faces.length}`;
      const button = make("button.box", { click: () => this.invert(sent, { face: k + 1 }), disabled: small, "aria-label": words, title: words, autofocus: k + 1 === sent.chosen });
      place(button, sent, box);
      return button;
    });
    const picture = make("div.pick", {}, make("img", { src: sent.preview, alt: t`The photograph` }), ...boxes);
    const body = this.show(t`${sent.faces.length} faces: which one?`, picture);
    whenGone(body, () => this.given(sent));
  }

  /** No faces: the person draws the square that the generator would have been shown. @param {Sent} sent */
  square(sent) {
    const frame = make("div.box", { tabindex: 0, role: "group", "aria-label": t`The square: arrows move it, + and − change its size` });
    const picture = make("div.pick.draw", {}, make("img", { src: sent.preview, alt: t`The photograph`, draggable: "false" }), frame);
    const most = Math.min(sent.width, sent.height);
    let [left, top, side] = [(sent.width - most) / 2, (sent.height - most) / 2, most];
    const move = (x, y, size) => {
      side = Math.max(16, Math.min(most, size));
      left = Math.max(0, Math.min(sent.width - side, x));
      top = Math.max(0, Math.min(sent.height - side, y));
      place(frame, sent, [left, top, left + side, top + side]);
    };
    const at = (event) => {
      const area = picture.getBoundingClientRect();
      return [((event.clientX - area.left) / area.width) * sent.width, ((event.clientY - area.top) / area.height) * sent.height];
    };
    picture.addEventListener("pointerdown", (event) => {
      picture.setPointerCapture(event.pointerId);
      picture.from = at(event);
    });
    picture.addEventListener("pointermove", (event) => {
      if (!picture.hasPointerCapture(event.pointerId)) return;
      const [x0, y0] = picture.from;
      const [x, y] = at(event);
      const size = Math.max(Math.abs(x - x0), Math.abs(y - y0));
      if (size >= 16) move(x < x0 ? x0 - size : x0, y < y0 ? y0 - size : y0, size);
    });
    frame.addEventListener("keydown", (event) => {
      const by = most / 20;
      const [dx, dy, more] = { ArrowLeft: [-by, 0, 0], ArrowRight: [by, 0, 0], ArrowUp: [0, -by, 0], ArrowDown: [0, by, 0], "+": [0, 0, by], "-": [0, 0, -by] }[event.key] ?? [0, 0, null];
      if (more === null) return;
      event.preventDefault();
      move(left + dx, top + dy, side + more);
    });
    move(left, top, side);
    const take = make("button.primary", { id: "take-square", click: () => this.invert(sent, { box: [left, top, side] }) }, t`take this square`);
    const body = this.show(t`Which part?`, make("p.quiet", {}, t`Draw the square that shows what this generator paints.`), picture, make("div.choices", {}, take));
    whenGone(body, () => this.given(sent));
  }

  /** The inversion, with pictures; stopped at any time with the best so far. @param {Sent} sent @param {object} choice */
  async invert(sent, choice) {
    sent.taken = true;
    const found = make("img.found", { alt: t`What was found so far` });
    const bar = make("progress", { max: 1, value: 0, "aria-label": t`Inversion` });
    const words = make("p.quiet", { role: "status" }, t`Looking for a latent whose picture it is …`);
    let stopped = false;
    const stop = make("button.primary", { disabled: true, id: "stop-inversion", click: () => (stopped = true) }, t`edit it now`);
    const body = this.show(t`Finding this face in the generator`, make("div.progress", {}, found, bar, words), make("div.choices", {}, stop));
    try {
      for (let told = null; !stopped && !told?.done; choice = {}) {
        told = await this.engine.invert({ photo: sent.photo, ...choice });
        if (!body.isConnected) return this.forget(sent);
        found.src = told.picture;
        bar.value = told.step / Math.max(1, told.steps);
        const words_ = told.stage === "encoder" ? t`a first guess` : t`step ${told.step} of ${told.steps}`;
        words.textContent = `${words_}, ${told.seconds} s`;
        stop.disabled = false;
      }
      dialog.close();
      this.arrived(sent.photo);
      tell(t`Move a slider. What is saved is the photograph, with what changed laid back.`);
    } catch (error) {
      if (!body.isConnected) return;
      this.forget(sent);
      complain("photo-error", error);
      stop.remove();
    }
  }

  /** Let it go, where no face was picked. */
  given(sent) {
    if (!sent.taken) this.forget(sent);
  }

  forget(sent) {
    this.known.delete(sent.photo);
    this.engine.forget(sent.photo).catch(() => {}); // the server forgets it by itself, later
  }

  /** @returns {Element} what is shown, to see whether it still is */
  show(title, ...children) {
    const body = make("div.photograph", {}, ...children, make("p.error", { id: "photo-error", role: "alert", hidden: true }));
    dialog.show(title, body, "small photo");
    body.querySelector("[autofocus]")?.focus();
    return body;
  }
}

/** A box [left, top, right, bottom], in pixels of the photograph, over its preview. */
/** @param {HTMLElement} element @param {Sent} sent @param {number[]} box */
function place(element, { width, height }, [left, top, right, bottom]) {
  const style = { left: left / width, top: top / height, width: (right - left) / width, height: (bottom - top) / height };
  for (const [name, share] of Object.entries(style)) element.style.setProperty(name, `${100 * share}%`);
}

/** `then()` once an element is no longer shown: its dialog was closed, or shows something else. */
function whenGone(element, then) {
  const observer = new MutationObserver(() => {
    if (element.isConnected) return;
    observer.disconnect();
    then();
  });
  observer.observe(byId("dialog-body"), { childList: true });
}
