// t`Make a data set like this`: which features are balanced, which conditions hold; how many plain samples lie in each
// cell is counted while one chooses, and the command that makes it is written down to be copied.

import * as dialog from "./dialog.js";
import { byId, complain, make, tell } from "./dom.js";
import { number, t } from "./words.js";

const ROWS = 1000;
const WAYS = { both: t`plain faces where they fit, edits for the rest`, select: t`plain faces only`, edit: t`every face moved, none chosen` };
const FORMS = { folder: t`folder, metadata.csv`, jsonl: t`folder, metadata.jsonl`, parquet: "Parquet", webdataset: "WebDataset" };
const WAIT = 150; // milliseconds that a hand rests before the cells are counted

export class DataSet {
  /** @param {import("./engine.js").Engine} engine @param {import("./engine.js").Description} description */
  constructor(engine, description) {
    this.engine = engine;
    this.features = description.features.filter(({ weak, name }) => !weak && /^\w+$/.test(name));
    byId("data").hidden = !engine.cells; // a published page has no samples to count
  }

  /** @param {Record<string, number>} asked  what the face at hand was asked for: this is what the data set is balanced by at first */
  open(asked) {
    if (!this.engine.cells) return;
    this.chosen = new Set(this.features.map(({ name }) => name).filter((name) => name in asked).slice(0, 6));
    const changed = () => this.later();
    const field = (words, input) => make("label", {}, make("span.quiet", {}, words), input);
    this.rows = make("input", { type: "number", min: 1, max: 100000000, value: ROWS, required: true, input: changed });
    this.where = make("input", { type: "text", placeholder: t`eyeglasses and not young`, maxlength: 500, autocomplete: "off", spellcheck: "false", input: changed });
    this.source = choice(WAYS, changed);
    this.form = choice(FORMS, changed);
    const chips = this.features.map(({ name, label }) => {
      const press = (event) => {
        if (!this.chosen.delete(name)) this.chosen.add(name);
        event.currentTarget.setAttribute("aria-pressed", String(this.chosen.has(name)));
        this.later();
      };
      return make("button.text", { type: "button", "data-name": name, "aria-pressed": String(this.chosen.has(name)), click: press }, label);
    });
    this.cells = make("tbody");
    this.command = make("code", { id: "data-command", tabindex: 0 });
    this.copy = make("button.primary", { type: "button", disabled: true, click: () => this.copied() }, t`copy`);
    const body = make(
      "form",
      { submit: (event) => event.preventDefault() },
      make("p.quiet", {}, t`As many of one as of the other, in every combination of`),
      make("div.chips", { role: "group", "aria-label": t`Features that are balanced` }, ...chips),
      make("div.fields", {}, field(t`rows`, this.rows), field(t`of which every one is`, this.where), field(t`made of`, this.source), field(t`as`, this.form)),
      make("p.error", { id: "data-error", role: "alert", hidden: true }),
      make("div.cells", {}, make("table", {}, make("thead", {}, (this.head = make("tr"))), this.cells)),
      make("div.command", {}, this.command, this.copy),
    );
    dialog.show(t`Make a data set like this`, body, "wide data");
    return this.count();
  }

  later() {
    this.copy.disabled = true;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.count(), WAIT);
  }

  async count() {
    const balance = [...this.chosen];
    const where = this.where.value.trim();
    try {
      if (!balance.length && !where) return this.show({ cells: [], samples: 0, command: "" }, t`Choose a feature.`);
      const wish = { n: this.rows.valueAsNumber || 0, balance, where, source: this.source.value, format: this.form.value };
      this.show(await this.engine.cells(wish));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.show({ cells: [], samples: 0, command: "" });
      complain("data-error", error);
    }
  }

  /** @param {Awaited<ReturnType<NonNullable<import("./engine.js").Engine["cells"]>>>} found */
  show({ cells, samples, command }, words = "") {
    complain("data-error");
    const most = Math.max(1, ...cells.map((cell) => cell.samples));
    const heads = [t`cell`, t`rows`, t`of ${number(samples)} plain samples`, ""];
    this.head.replaceChildren(...(cells.length ? heads.map((head) => make("th", { scope: "col" }, head)) : []));
    this.cells.replaceChildren(
      ...cells.map((cell) => {
        const bar = make("i.share");
        bar.style.setProperty("--share", `${(100 * cell.samples) / most}%`);
        const edited = cell.impossible || (cell.rare && this.source.value !== "edit" ? (this.source.value === "select" ? t`rare: hardly found` : t`mostly edited`) : "");
        return make("tr", {}, make("th", { scope: "row" }, cell.words), make("td", {}, number(cell.rows)), make("td", {}, bar, number(cell.samples)), make("td.quiet", {}, edited));
      }),
    );
    this.command.textContent = command || words;
    this.copy.disabled = !command;
  }

  async copied() {
    await navigator.clipboard.writeText(this.command.textContent).then(
      () => tell(t`The command is copied.`),
      () => getSelection().selectAllChildren(this.command), // no clipboard here: it stands selected
    );
  }
}

function choice(words, change) {
  return make("select", { change }, ...Object.entries(words).map(([value, text]) => make("option", { value }, text)));
}
