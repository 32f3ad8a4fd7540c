// The card behind "?": the keys, what the numbers mean, and what the model was made of.

import * as dialog from "./dialog.js";
import { make } from "./dom.js";
import { both, choose, language, LANGUAGES, number, t, word } from "./words.js";

export const KEYS = [
  ["R", t`random face`],
  ["← →", t`earlier, later face`],
  ["G", t`gallery of 24 faces`],
  ["O", t`open a photograph, where the page takes one; drop or paste does too`],
  ["Space", t`hold: the face without edits`],
  ["W", t`wipe across the picture`],
  ["Z", t`closer, and back; so do wheel, two fingers, double click; a drag moves what is in sight`],
  ["/", t`search sliders`],
  ["← → ↑ ↓", t`slider in hand by 0.1; Shift: 0.5`],
  ["Home End", t`slider to its ends`],
  ["Backspace", t`slider back to 0; so does a double click`],
  ["0–9 + −", t`type a number for the slider in hand`],
  ["L", t`lock the slider in hand`],
  ["X", t`exact on, off`],
  ["0", t`reset all sliders (when none is in hand)`],
  ["T", t`strip of seven pictures`],
  ["A B", t`keep this face as A, as B`],
  ["P", t`play the morph, pause`],
  ["M", t`correlation map`],
  ["D", t`make a data set like this (in the studio)`],
  ["S", t`save a PNG, and see what is in it`],
  ["E", t`presets: what is asked, under a name`],
  ["F", t`full screen`],
  ["Ctrl-Z", t`undo; Ctrl-Shift-Z redo`],
  ["?", t`this card`],
];

const NUMBERS = [
  t`The track is the population: 0 is the average face, one step is one standard deviation, and 95 % of all faces lie in the grey band.`,
  t`The number beside a slider is the change you asked for, counted from this face’s own place; “measured” is the change the extractor sees on the picture, and the small mark under the track is where it sees it.`,
  t`A lock asks for no change; with “exact” the picture is looked at and corrected until it measures what was asked.`,
].join(" ");

/** @param {import("./engine.js").Description} description @param {import("./mark.js").Mark} mark */
export function open(description, mark) {
  const { generator, samples, base, about } = description;
  const label = (name) => description.features.find((feature) => feature.name === name)?.label ?? name;
  const model = [
    [t`Painted by`, t`${generator.name}, ${generator.width} × ${generator.height} pixels, ${generator.dimensions} dimensions (${generator.space})`],
    [t`Fingerprint`, generator.fingerprint],
    [t`Axes from`, base.length ? t`${number(samples)} faces; kept clear of ${both(base.map(label))}` : t`${number(samples)} faces`],
    ...flat(about),
  ];
  const body = make(
    "div.card",
    {},
    make("section", {}, make("h3", {}, t`Keys`), make("dl.keys", {}, ...KEYS.flatMap(([key, words]) => [make("dt", {}, ...key.split(" ").map((k) => make("kbd", {}, k))), make("dd", {}, words)]))),
    make(
      "div",
      {},
      make("section", {}, make("h3", {}, t`What the numbers mean`), make("p", {}, NUMBERS)),
      make("section", {}, make("h3", {}, t`What this is made of`), make("dl.about", {}, ...model.flatMap(([term, words]) => [make("dt", {}, word(term)), make("dd", {}, word(String(words)))])), mark.control(), languages()),
    ),
  );
  dialog.show("tlgan studio", body, "wide help");
}

/** Which language the page speaks, where there are several. @returns {Node | ""} */
function languages() {
  if (LANGUAGES.length < 2) return "";
  const change = (event) => choose(event.target.value);
  const options = LANGUAGES.map(([code, name]) => make("option", { value: code, lang: code, selected: code === language }, name));
  return make("label.switch", {}, t`Language`, make("select", { id: "language", change }, ...options));
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
