// A closer look at the picture: wheel, two fingers, double click or a key; a drag moves what is in sight. The place stays
// when the picture changes, so that an edit can be watched where it matters.

const MOST = 8; // times
const CLOSE = 3; // of a double click
const PER_PIXEL = 0.0016; // of the wheel, in the zoom's logarithm

export class Zoom {
  /** @param {HTMLElement} element the frame that the picture fills */
  constructor(element) {
    this.element = element;
    this.times = 1;
    /** Where the picture's left upper corner lies, in shares of the frame: none of it is left empty. */
    this.corner = [0, 0];
    /** Fingers, or the mouse with its button down. @type {Map<number, [number, number]>} */
    this.pointers = new Map();
    element.addEventListener("wheel", (event) => this.turn(event), { passive: false });
    element.addEventListener("dblclick", (event) => this.toggle(this.place(event)));
    element.addEventListener("pointerdown", (event) => this.press(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
  }

  /** In, or out again. @param {[number, number]} [at] shares of the frame */
  toggle(at = [0.5, 0.5]) {
    this.to(this.times > 1 ? 1 : CLOSE, at);
  }

  /** So many times as large, with what lies at `at` kept in its place, then moved by `by`. */
  to(times, at, by = [0, 0]) {
    const next = Math.min(MOST, Math.max(1, times));
    const clamp = (value) => Math.min(0, Math.max(1 - next, value));
    this.corner = this.corner.map((corner, k) => clamp(at[k] - ((at[k] - corner) * next) / this.times + by[k]));
    this.times = next;
    const { style, classList } = this.element;
    classList.toggle("zoomed", next > 1); // no transform where there is nothing to transform: it costs every frame
    style.setProperty("--zoom", String(next));
    style.setProperty("--x", `${100 * this.corner[0]}%`);
    style.setProperty("--y", `${100 * this.corner[1]}%`);
  }

  turn(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1) * (event.ctrlKey ? 5 : 1); // ctrl: a pinch on a touchpad
    this.to(this.times * Math.exp(-PER_PIXEL * pixels), this.place(event));
  }

  press(event) {
    if (event.target.matches("input, button")) return; // the wipe is a drag of its own
    this.pointers.set(event.pointerId, this.place(event));
    if (this.times > 1) this.element.setPointerCapture(event.pointerId);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (!event.buttons) return void this.pointers.delete(event.pointerId); // let go outside of the picture
    const now = this.place(event);
    const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    if (other) this.to((this.times * distance(now, other)) / Math.max(distance(before, other), 1e-3), middle(before, other), difference(middle(now, other), middle(before, other)));
    else if (this.times > 1) this.to(this.times, now, difference(now, before));
    this.pointers.set(event.pointerId, now);
  }

  /** @returns {[number, number]} */
  place(event) {
    const box = this.element.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
const difference = (a, b) => [a[0] - b[0], a[1] - b[1]];
