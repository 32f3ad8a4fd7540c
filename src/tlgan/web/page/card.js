// The card behind "?": the keys, what the numbers mean, and what the model was made of.

import * as dialog from "./dialog.js";
import { make } from "./dom.js";

export const KEYS = [
  ["R", "random face"],
  ["← →", "earlier, later face"],
  ["G", "gallery of 24 faces"],
  ["O", "open a photograph, where the page takes one; drop or paste does too"],
  ["Space", "hold: the face without edits"],
  ["W", "wipe across the picture"],
  ["Z", "closer, and back; so do wheel, two fingers, double click; a drag moves what is in sight"],
  ["/", "search sliders"],
  ["← → ↑ ↓", "slider in hand by 0.1; Shift: 0.5"],
  ["Home End", "slider to its ends"],
  ["Backspace", "slider back to 0; so does a double click"],
  ["0–9 + −", "type a number for the slider in hand"],
  ["L", "lock the slider in hand"],
  ["X", "exact on, off"],
  ["0", "reset all sliders (when none is in hand)"],
  ["T", "strip of seven pictures"],
  ["A B", "keep this face as A, as B"],
  ["P", "play the morph, pause"],
  ["M", "correlation map"],
  ["D", "make a data set like this (in the studio)"],
  ["S", "save a PNG, and see what is in it"],
  ["Ctrl-Z", "undo; Ctrl-Shift-Z redo"],
  ["?", "this card"],
];

const NUMBERS =
  "The track is the population: 0 is the average face, one step is one standard deviation, and 95 % of all faces lie in the grey band. " +
  "The number beside a slider is the change you asked for, counted from this face’s own place; “measured” is the change the extractor sees on the picture, and the small mark under the track is where it sees it. " +
  "A lock asks for no change; with “exact” the picture is looked at and corrected until it measures what was asked.";

/** @param {import("./engine.js").Description} description @param {import("./mark.js").Mark} mark */
export function open(description, mark) {
  const { generator, samples, base, about } = description;
  const label = (name) => description.features.find((feature) => feature.name === name)?.label ?? name;
  const model = [
    ["Painted by", `${generator.name}, ${generator.width} × ${generator.height} pixels, ${generator.dimensions} dimensions (${generator.space})`],
    ["Fingerprint", generator.fingerprint],
    ["Axes from", `${samples.toLocaleString("en")} faces${base.length ? `; kept clear of ${base.map(label).join(" and ")}` : ""}`],
    ...flat(about),
  ];
  const body = make(
    "div.card",
    {},
    make("section", {}, make("h3", {}, "Keys"), make("dl.keys", {}, ...KEYS.flatMap(([key, words]) => [make("dt", {}, ...key.split(" ").map((k) => make("kbd", {}, k))), make("dd", {}, words)]))),
    make(
      "div",
      {},
      make("section", {}, make("h3", {}, "What the numbers mean"), make("p", {}, NUMBERS)),
      make("section", {}, make("h3", {}, "What this is made of"), make("dl.about", {}, ...model.flatMap(([term, words]) => [make("dt", {}, term), make("dd", {}, String(words))])), mark.control()),
    ),
  );
  dialog.show("tlgan studio", body, "wide help");
}

/** Whatever the model cards say, in rows. */
function flat(about, prefix = "") {
  return Object.entries(about ?? {}).flatMap(([key, value]) => {
    const term = prefix ? `${prefix}: ${key}` : key[0].toUpperCase() + key.slice(1).replaceAll("_", " ");
    if (value === null || value === "") return [];
    if (Array.isArray(value)) return [[term, value.map(String).join("; ")]];
    if (typeof value === "object") return flat(value, term);
    return [[term, value]];
  });
}
