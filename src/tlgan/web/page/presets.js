// Presets: what is asked of a face, under a name, to be asked of others too. They are kept in this browser; a link hands one on.

import * as dialog from "./dialog.js";
import { complain, make, signed } from "./dom.js";
import { share } from "./files.js";
import * as link from "./link.js";
import { keep, recallJson } from "./storage.js";
import { t } from "./words.js";

const MOST = 60;

/** @typedef {import("./link.js").Wishes & {name: string}} Preset */

export class Presets {
  /**
   * @param {import("./engine.js").Description} description @param {() => import("./link.js").Wishes} current  what is asked now
   * @param {(wishes: import("./link.js").Wishes) => void} ask  asks it of the face at hand
   */
  constructor(description, current, ask) {
    this.description = description;
    this.current = current;
    this.ask = ask;
    this.key = `tlgan.presets.${description.generator.fingerprint.slice(0, 12)}`;
  }

  /** @returns {Preset[]} those that this workspace has sliders for */
  all() {
    const known = new Set(this.description.features.map(({ name }) => name));
    const kept = recallJson(this.key);
    const fits = (preset) => preset?.name && [...Object.keys(preset.asked ?? {}), ...(preset.locks ?? [])].every((name) => known.has(name));
    return Array.isArray(kept) ? kept.filter(fits) : [];
  }

  /** Keep one; an earlier one of this name gives way. @param {Preset} preset */
  put(preset) {
    const others = this.all().filter(({ name }) => name !== preset.name);
    return keep(this.key, JSON.stringify([...others, preset].slice(-MOST)));
  }

  /** @param {string} name */
  drop(name) {
    keep(this.key, JSON.stringify(this.all().filter((preset) => preset.name !== name)));
  }

  open() {
    const wishes = this.current();
    const name = make("input", { type: "search", maxlength: 60, required: true, autocomplete: "off", placeholder: t`older, smiling`, "aria-label": t`Name of the preset` });
    const add = make("button.primary", { type: "submit", disabled: !Object.keys(wishes.asked).length }, t`keep`);
    const submit = (event) => {
      event.preventDefault();
      if (this.put({ name: name.value.trim() || this.words(wishes), ...wishes })) return this.open();
      complain("preset-error", new Error(t`This browser keeps nothing for this page: share a link instead.`));
    };
    const rows = this.all().map((preset) => this.row(preset));
    const body = make(
      "div",
      {},
      make("form.wish", { submit }, name, add),
      make("p.quiet", {}, Object.keys(wishes.asked).length ? this.words(wishes) : t`Move sliders first: what is asked of this face can be kept under a name.`),
      make("p.error", { id: "preset-error", role: "alert", hidden: true }),
      make("ul.presets", {}, ...rows),
    );
    dialog.show(t`Presets`, body, "small");
  }

  /** @param {Preset} preset */
  row(preset) {
    const use = () => {
      dialog.close();
      this.ask(preset);
    };
    const remove = () => {
      this.drop(preset.name);
      this.open();
    };
    return make(
      "li",
      {},
      make("button.plain", { click: use, title: this.words(preset) }, preset.name),
      make("button.text", { click: () => share(link.writePreset(preset.name, preset, this.description.generator.fingerprint)) }, t`link`),
      make("button.text", { click: remove, "aria-label": t`remove ${preset.name}` }, t`remove`),
    );
  }

  /** @param {import("./link.js").Wishes} wishes */
  words({ asked }) {
    const label = (name) => this.description.features.find((feature) => feature.name === name)?.label ?? name;
    return Object.entries(asked)
      .map(([name, value]) => `${label(name)} ${signed(value)}`)
      .join(", ");
  }
}
