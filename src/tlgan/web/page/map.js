// The correlation of all features as a heat map: as the axes say, and as it was measured on the population's pictures.
// A cell is a pair of sliders; choosing one shows just those two.

import * as dialog from "./dialog.js";
import { make, signed } from "./dom.js";
import { t } from "./words.js";

const KINDS = { measured: t`as measured`, axes: t`as the axes say` };

export class CorrelationMap {
  /** @param {import("./engine.js").Description} description @param {(names: string[]) => void} pick */
  constructor(description, pick) {
    const order = description.groups.flatMap(({ features }) => features);
    const index = new Map(description.features.map(({ name }, k) => [name, k]));
    this.features = order.map((name) => description.features[index.get(name)]);
    this.order = order.map((name) => index.get(name));
    this.correlations = description.correlations;
    this.pick = pick;
    this.kind = "measured";
    this.cell = [0, Math.min(1, order.length - 1)];
  }

  open() {
    this.canvas = make("canvas", {
      tabindex: 0,
      role: "application",
      "aria-label": t`Correlation map: arrow keys move, Enter chooses two sliders`,
      "aria-describedby": "map-words",
      pointermove: (event) => this.point(event),
      click: (event) => {
        this.point(event);
        this.choose();
      },
      keydown: (event) => this.press(event),
    });
    this.words = make("p.words", { id: "map-words", "aria-live": "polite" });
    const kinds = Object.entries(KINDS).map(([kind, words]) => {
      const change = () => {
        this.kind = kind;
        this.draw();
      };
      return make("label", {}, make("input", { type: "radio", name: "map-kind", value: kind, checked: kind === this.kind, change }), words);
    });
    const body = make("div.map", {}, make("div.kinds", { role: "radiogroup", "aria-label": t`Correlation` }, ...kinds), this.words, make("div.scroll", {}, this.canvas));
    dialog.show(t`What goes together`, body, "wide map");
    this.draw();
    this.canvas.focus();
  }

  value([row, column]) {
    return this.correlations[this.kind][this.order[row]][this.order[column]];
  }

  layout() {
    const count = this.features.length;
    const narrow = window.innerWidth < 760;
    const room = Math.min(window.innerWidth - (narrow ? 40 : 120), window.innerHeight - 210);
    const label = narrow ? 104 : 150;
    const cell = Math.max(narrow ? 6 : 11, Math.floor((room - label) / count));
    return { count, label, head: narrow ? 0 : label, cell };
  }

  draw() {
    const { count, label, head, cell } = (this.shape = this.layout());
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [label + count * cell, head + count * cell];
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const [paper, ink, quiet, plus, minus] = ["--raised", "--ink", "--quiet", "--accent", "--minus"].map(color);
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.fillStyle = paper;
    context.fillRect(0, 0, width, height);
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < count; column++) {
        const value = this.value([row, column]);
        context.globalAlpha = Math.min(1, Math.abs(value));
        context.fillStyle = value < 0 ? minus : plus;
        context.fillRect(label + column * cell, head + row * cell, cell - (cell > 8 ? 1 : 0), cell - (cell > 8 ? 1 : 0));
      }
    }
    context.globalAlpha = 1;
    const [row, column] = this.cell;
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.font = `${Math.min(12, Math.max(9, cell))}px system-ui, sans-serif`;
    const every = cell < 9 ? 2 : 1; // labels that would touch leave every other one out
    this.features.forEach((feature, k) => {
      const marked = k === row || k === column;
      context.fillStyle = marked ? ink : quiet;
      if (k % every && !marked) return;
      if (k === row || !(every > 1 && Math.abs(k - row) < 2)) {
        context.fillText(fitted(context, feature.label, label - 10), label - 6, head + (k + 0.5) * cell);
      }
      if (!head) return;
      context.save();
      context.translate(label + (k + 0.5) * cell, head - 6);
      context.rotate(Math.PI / 2);
      context.fillText(fitted(context, feature.label, head - 10), 0, 0);
      context.restore();
    });
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.strokeRect(label + column * cell - 0.5, head + row * cell - 0.5, cell, cell);
    this.say();
  }

  say() {
    const [row, column] = this.cell;
    const [a, b] = [this.features[row], this.features[column]];
    const of = (kind) => signed(this.correlations[kind][this.order[row]][this.order[column]], 2);
    this.words.textContent =
      row === column ? a.label : t`${a.label} and ${b.label}: ${of("measured")} as measured, ${of("axes")} as the axes say`;
  }

  point(event) {
    const { count, label, head, cell } = this.shape;
    const column = Math.floor((event.offsetX - label) / cell);
    const row = Math.floor((event.offsetY - head) / cell);
    if (row < 0 || column < 0 || row >= count || column >= count) return;
    this.move([row, column]);
  }

  move(cell) {
    if (cell[0] === this.cell[0] && cell[1] === this.cell[1]) return;
    this.cell = cell;
    this.draw();
  }

  press(event) {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === "Enter") this.choose();
    if (!way) return;
    event.preventDefault();
    const last = this.features.length - 1;
    this.move(this.cell.map((place, k) => Math.min(last, Math.max(0, place + way[k]))));
  }

  choose() {
    const names = [...new Set(this.cell.map((k) => this.features[k].name))];
    dialog.close();
    this.pick(names);
  }
}

function fitted(context, text, width) {
  let shown = text;
  while (shown.length > 3 && context.measureText(shown).width > width) shown = `${shown.slice(0, -2)}…`;
  return shown;
}
