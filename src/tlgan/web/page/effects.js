// Side effects of the slider in hand: what else changed on the picture, measured minus asked, the largest first.

import { byId, icon, make, signed, write } from "./dom.js";
import { t } from "./words.js";

const SHOWN = 5;
const WORTH = 0.1; // standard deviations
const FULL = 2; // a bar of full length

export class Effects {
  /** @param {import("./engine.js").Description} description @param {(name: string) => void} lock */
  constructor(description, lock) {
    this.features = description.features;
    this.element = byId("effects");
    this.title = make("p.title", {});
    this.rows = Array.from({ length: SHOWN }, () => this.row(lock));
    this.list = make("ul", {}, ...this.rows.map((row) => row.element));
    this.element.append(this.title, this.list);
  }

  row(lock) {
    const row = { name: "" };
    row.label = make("span.what");
    row.bar = make("span.gauge", {}, make("span"));
    row.value = make("span.value");
    row.button = make("button.lock", { click: () => lock(row.name) }, icon("unlock"));
    row.element = make("li", {}, row.label, row.bar, row.value, row.button);
    return row;
  }

  /**
   * @param {string|null} held  the slider in hand
   * @param {import("./state.js").Entry} entry @param {{own: (number|null)[], measured: (number|null)[]}|undefined} numbers
   * @param {Set<string>} switched  what the switches lock
   */
  update(held, entry, numbers, switched) {
    const asked = Object.keys(entry.asked).length > 0;
    const feature = this.features.find(({ name }) => name === held);
    const found = asked && numbers ? sideEffects(this.features, entry.asked, numbers, held) : [];
    const of = feature && held in entry.asked ? feature.label : t`these edits`;
    const text = !asked
      ? t`Move a slider; what else changes with it shows here.`
      : found.length
        ? t`also changed with ${of}`
        : t`nothing else changed with ${of}`;
    write(this.title, "textContent", text);
    this.rows.forEach((row, k) => {
      const effect = found[k];
      row.element.hidden = !effect;
      if (!effect) return;
      // Only what changed is touched: this is asked for with every move of a hand, and words that are set are laid out.
      write(row.label, "textContent", effect.label);
      write(row.value, "textContent", signed(effect.change));
      const size = Math.min(1, Math.abs(effect.change) / FULL).toFixed(3);
      if (row.size !== size) row.bar.style.setProperty("--size", (row.size = size));
      row.bar.classList.toggle("minus", effect.change < 0);
      const locked = entry.locks.includes(effect.name) || switched.has(effect.name);
      if (row.locked === locked && row.name === effect.name) return;
      row.locked = locked;
      row.name = effect.name;
      row.button.replaceChildren(icon(locked ? "lock" : "unlock"));
      row.button.setAttribute("aria-pressed", String(locked));
      row.button.setAttribute("aria-label", t`${effect.label}: lock`);
      row.button.title = locked ? t`locked` : t`lock ${effect.label}`;
    });
  }
}

/** Measured minus asked, of all sliders but the one in hand, the largest first. */
export function sideEffects(features, asked, { own, measured }, held) {
  return features
    .map(({ name, label }, k) => ({ name, label, change: measured[k] - own[k] - (asked[name] ?? 0), known: own[k] !== null && measured[k] !== null }))
    .filter(({ name, change, known }) => known && name !== held && Math.abs(change) >= WORTH)
    .sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
}
