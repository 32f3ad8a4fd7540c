// Which sliders to show: by what is typed (name, label, group, the words at both ends), or by a pick from the map.

import { byId, make } from "./dom.js";
import { both, t } from "./words.js";

export class Search {
  /** @param {import("./engine.js").Description} description @param {import("./panel.js").Panel} panel */
  constructor(description, panel) {
    this.features = description.features;
    this.panel = panel;
    this.input = byId("search");
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") {
        this.clear();
        this.input.blur();
      }
      if (event.key === "Enter" || event.key === "ArrowDown") {
        event.preventDefault();
        this.panel.element.querySelector(".slider:not([hidden]) .track")?.focus();
      }
    });
  }

  look() {
    const text = this.input.value;
    if (!text.trim()) return this.clear();
    const found = matching(text, this.features);
    this.panel.filter(new Set(found));
    if (!found.length) return this.say(t`No slider matches “${text.trim()}”.`);
    this.say(found.length === 1 ? t`1 slider of ${this.features.length}` : t`${found.length} sliders of ${this.features.length}`);
  }

  /** Show just these. @param {string[]} names */
  pick(names) {
    this.input.value = "";
    this.panel.filter(new Set(names));
    const labels = names.map((name) => this.features.find((feature) => feature.name === name).label);
    this.say(both(labels));
    this.panel.reveal(names[0]).track.focus();
  }

  say(text) {
    this.panel.filtered.replaceChildren(text, " ", make("button.text", { click: () => this.clear() }, t`show all`));
  }

  clear() {
    this.input.value = "";
    this.panel.filter(null);
  }
}

/** Names of the features in which every typed word is found. @param {string} text */
export function matching(text, features) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return features
    .filter((f) => {
      const all = [f.name, f.name.replaceAll("_", " "), f.label, f.group, f.low, f.high, f.english].join(" ").toLowerCase();
      return words.every((word) => all.includes(word));
    })
    .map((f) => f.name);
}
