// One slider. The track is the population: grey where 95 % of all faces lie. The thumb stands where the feature was asked
// to be (the face's own place plus the change), the small mark below where the extractor sees it on the picture.

import { atFrame, icon, make, signed, write } from "./dom.js";
import { natural } from "./engine.js";
import { mixed, sentence } from "./quality.js";
import { t } from "./words.js";

const FINE = 0.1; // standard deviations an arrow key moves
const COARSE = 0.5; // with Shift, and a press of − or +
const DRIFT = 0.15; // change of a locked feature that is worth a word
const FIRST_REPEAT = 400; // ms until a held − or + repeats
const REPEAT = 90;
const BETWEEN = 7; // ms between moves that are worth a picture
const DWELL = 40; // ms after which a pointer does not merely pass over a slider

/**
 * @typedef {{asked: number, own: number|null, measured: number|null, locked: boolean, kept: boolean}} Reading
 * @typedef {{ask: (name: string, value: number, key: string) => void, settle: () => void, lock: (name: string) => void,
 *            hold: (name: string) => void, near?: (name: string) => void}} Hands  what a slider does to the state
 */

let gestures = 0;

/** A class for words of more letters than surely fit. */
const long = (words, letters) => (words.length > letters ? ".long" : "");

export class Slider {
  /** @param {import("./engine.js").Feature} feature @param {number} most @param {Hands} hands @param {string} by */
  constructor(feature, most, hands, by = "") {
    this.feature = feature;
    this.by = by;
    this.most = most;
    this.hands = hands;
    /** @type {Reading} */
    this.reading = { asked: 0, own: null, measured: null, locked: false, kept: false };
    this.key = "";
    this.held = false;
    this.drawn = {};
    this.redraw = () => this.draw();
    this.build();
    this.listen();
    this.draw();
  }

  build() {
    const { name, label, low, high } = this.feature;
    const id = `slider-${name}`;
    const quality = sentence(this.feature, this.by);
    this.thumb = make("span.thumb");
    this.track = make(
      "div.track",
      {
        role: "slider",
        tabindex: 0,
        id,
        "aria-labelledby": `${id}-label`,
        "aria-describedby": `${id}-ends`,
        title: t`${low} to ${high}`,
        "data-feature": name,
      },
      make("span.band"),
      (this.fill = make("span.fill")),
      make("span.own"),
      this.thumb,
      (this.seen = make("span.seen")),
      (this.bubble = make("span.bubble", { "aria-hidden": "true" })),
    );
    this.number = make("input.number", {
      type: "text",
      inputmode: "decimal",
      tabindex: -1,
      maxlength: 8,
      autocomplete: "off",
      "aria-label": t`${label}: change in standard deviations`,
    });
    this.less = make("button.step", { tabindex: -1, "aria-label": t`${label}: less`, title: `${low} (−0.5)` }, "−");
    this.more = make("button.step", { tabindex: -1, "aria-label": t`${label}: more`, title: `${high} (+0.5)` }, "+");
    this.lockButton = make("button.lock", { "aria-label": t`${label}: lock` });
    this.note = make("span.note");
    this.element = make(
      "div.slider",
      { "data-name": name, "data-group": this.feature.group },
      make(
        "div.head",
        {},
        make(`span.label${long(label, 20)}`, { id: `${id}-label`, title: `${label}: ${quality}` }, label),
        ...(mixed(this.feature) ? [make("span.mixed", { title: `${label}: ${quality}`, "aria-hidden": "true" }, t`mixed`)] : []),
        this.note,
        make("span.stepper", {}, this.less, this.number, this.more),
        this.lockButton,
      ),
      make(
        "div.rail",
        {},
        make(`span.low${long(low, 9)}`, {}, low),
        this.track,
        make(`span.high${long(high, 9)}`, {}, high),
        make("span.visually-hidden", { id: `${id}-ends` }, t`from ${low} to ${high}; ${quality}`),
      ),
    );
  }

  // -- what it shows -----------------------------------------------------------------------------------------------

  /** @param {Reading} reading */
  update(reading) {
    const last = this.reading;
    if (
      last.asked === reading.asked &&
      last.own === reading.own &&
      last.measured === reading.measured &&
      last.locked === reading.locked &&
      last.kept === reading.kept
    )
      return;
    this.reading = reading;
    if (this.dragging) atFrame(this.redraw); // a mouse may move more often than the screen does
    else this.draw();
  }

  /** The ends of the track: what the population holds, widened so that this face is on it. */
  ends() {
    const { range } = this.feature;
    const { own, asked } = this.reading;
    const place = own ?? 0;
    const reach = this.dragging ? this.dragging.asked : asked;
    return [Math.min(range[0], place - 0.5, place + reach), Math.max(range[1], place + 0.5, place + reach)];
  }

  /** In hand, or not any more. @param {boolean} held */
  hold(held) {
    if (held === this.held) return;
    this.held = held;
    this.element.classList.toggle("held", held);
    this.draw();
  }

  draw() {
    if (this.hidden) {
      this.stale = true; // drawn when it comes into sight
      return;
    }
    this.stale = false;
    const { asked, own, measured, locked, kept } = this.reading;
    const { band } = this.feature;
    const [from, to] = this.ends();
    const percent = (position) => ((100 * (Math.min(to, Math.max(from, position)) - from)) / (to - from)).toFixed(2);
    const place = (own ?? 0) + asked;
    const change = measured === null || own === null ? null : measured - own;
    this.set(this.track, "--from", percent(band[0]));
    this.set(this.track, "--to", percent(band[1]));
    this.set(this.track, "--own", percent(own ?? 0));
    this.set(this.fill, "--at", percent(place));
    this.set(this.thumb, "--at", percent(place));
    if (measured !== null) this.set(this.seen, "--at", percent(measured));
    this.toggle("unseen", measured === null);
    this.toggle("moved", asked !== 0);
    this.toggle("beyond", place < band[0] || place > band[1]);
    this.toggle("kept", kept);
    if (!this.typing) write(this.number, "value", signed(asked));

    const drifts = locked && change !== null && Math.abs(change - asked) >= DRIFT;
    const note = [];
    if (this.held) note.push(natural(this.feature, measured ?? place));
    if (drifts) note.push(t`drifts ${signed(change - asked)}`);
    else if (asked !== 0 && change !== null) note.push(t`measured ${signed(change)}`);
    write(this.note, "textContent", note.join(" · "));
    this.toggle("drifting", drifts);
    if (this.shownLock !== locked) {
      this.shownLock = locked;
      this.lockButton.setAttribute("aria-pressed", String(locked));
      this.lockButton.replaceChildren(icon(locked ? "lock" : "unlock"));
    }
    const action = locked ? (kept ? t`kept by a switch below` : t`unlock`) : t`lock: this must not change`;
    write(this.lockButton, "title", `${action} (L)`);
    const words = [signed(asked), natural(this.feature, place)];
    if (change !== null && asked !== 0) words.push(t`measured ${signed(change)}`);
    if (locked) words.push(t`locked`);
    write(this.track, "ariaValueMin", Math.max(-this.most, from - (own ?? 0)).toFixed(1));
    write(this.track, "ariaValueMax", Math.min(this.most, to - (own ?? 0)).toFixed(1));
    write(this.track, "ariaValueNow", asked.toFixed(2));
    write(this.track, "ariaValueText", words.join(", "));
  }

  // Only what changed is touched, and on the element itself: a slider in hand moves sixty times a second.

  set(element, variable, value) {
    const key = element.className + variable;
    if (this.drawn[key] === value) return;
    this.drawn[key] = value;
    element.style.setProperty(variable, value);
  }

  toggle(name, on) {
    if (this.drawn[name] === on) return;
    this.drawn[name] = on;
    this.element.classList.toggle(name, on);
  }

  /** In sight or not: a slider that nobody sees is not drawn. @param {boolean} visible */
  show(visible) {
    this.hidden = !visible;
    if (visible && this.stale) this.draw();
  }

  /** Say what a place on the track is, in the feature's own unit. */
  point(position) {
    const [from, to] = this.ends();
    this.track.style.setProperty("--bubble", ((100 * (position - from)) / (to - from)).toFixed(2));
    this.bubble.textContent = natural(this.feature, position);
  }

  // -- what hands do to it -----------------------------------------------------------------------------------------

  ask(value, key = this.key) {
    const most = this.most;
    this.hands.ask(this.feature.name, Math.min(most, Math.max(-most, value)), key);
  }

  begin() {
    this.key = `slider-${++gestures}`;
    this.hands.hold(this.feature.name);
  }

  end() {
    this.hands.settle();
  }

  listen() {
    this.track.addEventListener("pointerenter", (event) => {
      if (!event.buttons) this.coming = setTimeout(() => this.hands.near?.(this.feature.name), DWELL);
    });
    this.track.addEventListener("pointerleave", () => clearTimeout(this.coming));
    this.track.addEventListener("pointerdown", (event) => this.grab(event));
    this.track.addEventListener("pointermove", (event) => this.drag(event));
    // Where the browser offers it, moves are heard at once instead of with the next animation frame.
    this.track.addEventListener("pointerrawupdate", (event) => {
      if (!this.dragging || event.timeStamp - this.dragging.heard < BETWEEN) return;
      this.dragging.heard = event.timeStamp;
      this.drag(event);
    });
    this.track.addEventListener("pointerup", (event) => this.drop(event));
    this.track.addEventListener("pointercancel", () => this.release());
    this.track.addEventListener("dblclick", () => {
      this.ask(0);
      this.end();
    });
    this.track.addEventListener("wheel", (event) => this.roll(event), { passive: false });
    this.track.addEventListener("keydown", (event) => this.press(event));
    this.track.addEventListener("keyup", () => this.end());
    this.track.addEventListener("focus", () => this.hands.hold(this.feature.name));
    this.track.addEventListener("blur", () => this.end());
    this.repeat(this.less, -COARSE);
    this.repeat(this.more, COARSE);
    this.lockButton.addEventListener("click", () => this.hands.lock(this.feature.name));
    this.number.addEventListener("focus", () => {
      this.typing = true;
      this.hands.hold(this.feature.name);
      this.number.select();
    });
    this.number.addEventListener("blur", () => this.type());
    this.number.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.track.focus();
      if (event.key === "Escape") {
        this.typing = false;
        this.track.focus();
      }
      if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        event.preventDefault();
        this.type();
        this.begin();
        this.ask(this.reading.asked + (event.key === "ArrowUp" ? 1 : -1) * (event.shiftKey ? COARSE : FINE));
        this.end();
        this.number.value = signed(this.reading.asked);
      }
      event.stopPropagation();
    });
  }

  /** The asked change at a pointer. */
  at(event) {
    const box = this.dragging?.box ?? this.track.getBoundingClientRect(); // asking while dragging would force a layout
    const [from, to] = this.ends();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return from + share * (to - from) - (this.reading.own ?? 0);
  }

  grab(event) {
    if (event.button !== 0) return;
    const again = event.timeStamp - (this.grabbed ?? -1000) < 350; // the second half of a double click: the same gesture
    this.grabbed = event.timeStamp;
    if (!again) this.begin();
    this.track.setPointerCapture(event.pointerId);
    this.track.focus({ preventScroll: true });
    const box = this.track.getBoundingClientRect();
    this.dragging = { box, heard: 0, x: event.clientX, asked: this.reading.asked, moving: event.pointerType !== "touch" };
    this.element.classList.add("dragging");
    // A grab beside the thumb's middle must not make it jump.
    const [from, to] = this.ends();
    const beside = this.at(event) - this.reading.asked;
    const onThumb = (Math.abs(beside) / (to - from)) * box.width <= box.height / 2;
    this.dragging.offset = onThumb ? beside : 0;
    if (this.dragging.moving && !onThumb) this.ask(this.at(event));
  }

  drag(event) {
    if (!this.dragging) {
      if (event.pointerType === "mouse") this.point(this.at(event) + (this.reading.own ?? 0));
      return;
    }
    // A finger that scrolls the page passes over sliders: wait until it is clear that it goes sideways.
    if (!this.dragging.moving && Math.abs(event.clientX - this.dragging.x) < 6) return;
    this.dragging.moving = true;
    if (event.clientX === this.dragging.last) return; // heard as a raw update already
    this.dragging.last = event.clientX;
    this.ask(this.at(event) - this.dragging.offset);
  }

  drop(event) {
    if (this.dragging && !this.dragging.moving) this.ask(this.at(event)); // a tap
    this.release();
  }

  release() {
    if (!this.dragging) return;
    this.dragging = undefined;
    this.element.classList.remove("dragging");
    this.draw();
    // A double click is one gesture: leave it open until the second click can't come any more.
    clearTimeout(this.closing);
    const key = this.key;
    this.closing = setTimeout(() => key === this.key && this.end(), 360);
  }

  roll(event) {
    if (document.activeElement !== this.track) return; // the wheel scrolls the panel unless this slider is in hand
    event.preventDefault();
    if (!this.rolling) this.begin();
    clearTimeout(this.rolling);
    this.rolling = setTimeout(() => {
      this.rolling = undefined;
      this.end();
    }, 400);
    const way = -Math.sign(event.deltaY || -event.deltaX);
    this.ask(this.reading.asked + way * (event.shiftKey ? COARSE : FINE));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { asked, own } = this.reading;
    const step = event.shiftKey ? COARSE : FINE;
    const { range } = this.feature;
    const moves = {
      ArrowRight: asked + step,
      ArrowUp: asked + step,
      ArrowLeft: asked - step,
      ArrowDown: asked - step,
      PageUp: asked + 1,
      PageDown: asked - 1,
      Home: range[0] - (own ?? 0),
      End: range[1] - (own ?? 0),
      Backspace: 0,
      Delete: 0,
    };
    if (event.key in moves) {
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat) this.begin();
      this.ask(moves[event.key]);
    } else if (event.key === "Enter") {
      this.number.focus();
    } else if (/^[\d.,+-]$/.test(event.key)) {
      event.preventDefault();
      event.stopPropagation();
      this.number.focus();
      this.number.value = event.key;
    } else if (event.key === "l" || event.key === "L") {
      event.stopPropagation();
      this.hands.lock(this.feature.name);
    }
  }

  type() {
    if (!this.typing) {
      this.draw();
      return;
    }
    this.typing = false;
    const value = Number(this.number.value.trim().replace("−", "-").replace(",", "."));
    const shown = signed(this.reading.asked);
    if (Number.isFinite(value) && this.number.value.trim() !== "" && this.number.value !== shown) {
      this.begin();
      this.ask(value);
      this.end();
    }
    this.draw();
  }

  repeat(button, by) {
    let timer;
    const stop = () => {
      clearTimeout(timer);
      if (timer !== undefined) this.end();
      timer = undefined;
    };
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this.begin();
      const move = () => this.ask(this.reading.asked + by);
      move();
      const again = () => {
        move();
        timer = setTimeout(again, REPEAT);
      };
      timer = setTimeout(again, FIRST_REPEAT);
    });
    button.addEventListener("pointerup", stop);
    button.addEventListener("pointercancel", stop);
    button.addEventListener("click", (event) => {
      if (event.detail !== 0) return; // a pointer did it already
      this.begin();
      this.ask(this.reading.asked + by);
      this.end();
    });
  }
}
