// Puts the page together: the store moves, the engine is asked for the picture, everything shows what came back.

import * as card from "./card.js";
import { DataSet } from "./dataset.js";
import { byId, complain, make, say } from "./dom.js";
import { Effects } from "./effects.js";
import { openEngine } from "./engine.js";
import { Faces, faceName, Thumbs } from "./faces.js";
import { Files } from "./files.js";
import { Gallery } from "./gallery.js";
import { hint } from "./hint.js";
import * as keys from "./keys.js";
import { CorrelationMap } from "./map.js";
import { Mark } from "./mark.js";
import { Morph } from "./morph.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { Presets } from "./presets.js";
import { Search } from "./search.js";
import * as session from "./session.js";
import * as gestures from "./state.js";
import { Store } from "./store.js";
import { Strip } from "./strip.js";
import { Zoom } from "./zoom.js";
import { both, inLanguage, t, translate } from "./words.js";

translate(document.documentElement);
const engine = await openEngine();
const description = inLanguage(await engine.describe());
const { features } = description;
const first = engine.first();

const picture = new Picture();
const mark = new Mark(description);
const zoom = new Zoom(picture.element);
const thumbs = new Thumbs();
/** Numbers of what is on the screen, by face. @type {Map<number, {own: any[], measured: any[], share: number}>} */
const numbers = new Map();
/** The picture without edits of the face at hand. @type {{key: string, bitmap: ImageBitmap|ImageData|null}} */
let original = { key: "", bitmap: null };
/** The slider in hand. @type {string|null} */
let held = null;
/** What the walk between A and B last came to. @type {import("./engine.js").Frame|null} */
let mixed = null;

// -- state ---------------------------------------------------------------------------------------------------------

const begun = first?.face ?? (await engine.random(randomSeed()));
const store = new Store(gestures.begin(begun));
if (first) numbers.set(1, first.frame);

/** A gesture on a face; on the way between A and B the place stood on becomes a face first. */
function change(gesture, key = null) {
  store.do((state) => gesture(grounded(state)), key);
}

function grounded(state) {
  if (state.at === null || !mixed?.latent) return state;
  numbers.set(state.next, mixed);
  return gestures.adopt(state, mixed.latent);
}

const hands = {
  ask: (name, value, key) => change((state) => gestures.ask(state, name, value), key),
  settle: () => store.settle(),
  lock: (name) => change((state) => gestures.lock(state, name)),
  near: (name) => {
    const { state } = store;
    if (state.at === null) engine.near?.(gestures.toFace(gestures.current(state), features), name).catch(() => {});
  },
  hold: (name) => {
    if (held === name) return;
    held = name;
    panel.hold(name);
    showNumbers();
  },
};

const actions = {
  r: random,
  ArrowLeft: () => store.do((state) => gestures.go(state, -1)),
  ArrowRight: () => store.do((state) => gestures.go(state, 1)),
  g: () => gallery.open(),
  o: () => photographs?.ask(),
  m: () => map.open(),
  d: () => dataSet.open(gestures.current(store.state).asked),
  s: () => files.ask(),
  t: strip,
  a: () => morph.press("a"),
  b: () => morph.press("b"),
  p: () => morph.toggle(),
  w: () => setWipe(!picture.wiping),
  z: () => zoom.toggle(),
  f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.()),
  e: () => presets.open(),
  x: () => change((state) => gestures.exact(state, !gestures.current(state).exact)),
  l: () => held && hands.lock(held),
  0: () => change(gestures.reset),
  undo: () => store.undo(),
  redo: () => store.redo(),
  "/": () => {
    byId("search").focus();
    byId("search").select();
  },
  "?": () => card.open(description, mark),
};

const panel = new Panel(description, hands);
const search = new Search(description, panel);
const effects = new Effects(description, hands.lock);
const faces = new Faces(thumbs, (id) => store.do((state) => gestures.choose(state, id)));
const gallery = new Gallery(engine, description, (face) => store.do((state) => gestures.addFace(state, face)));
const morph = new Morph(engine, description, store, thumbs);
const strips = new Strip(engine, description);
const map = new CorrelationMap(description, (names) => search.pick(names));
const dataSet = new DataSet(engine, description);
const presets = new Presets(description, () => gestures.current(store.state), (wishes) => change((state) => gestures.wish(state, wishes)));
const photographs = engine.photograph && description.photographs ? await photographed() : null;
const files = new Files(engine, description, store, picture, shownFace, photographs);

/** What takes photographs, where the engine does. */
async function photographed() {
  const { Photographs } = await import("./photograph.js");
  return new Photographs(engine, description, (photo) => store.do((state) => gestures.addFace(state, { photo, asked: {}, locks: [], exact: false })));
}

// -- painting ------------------------------------------------------------------------------------------------------

let painting = "";
let painted = "";
let version = 0; // of what was asked to be painted
/** The newest picture is on the screen, or will never be. @type {Promise<void>} */
let shownAll = Promise.resolve();

/** Ask the engine for what the state says, if it is not on its way already. */
function paint() {
  const { state } = store;
  const view = gestures.view(state, features);
  const wanted = JSON.stringify(view, (key, value) => (key === "reached" ? undefined : value)); // the same picture
  if (wanted === painting) return;
  painting = wanted;
  const entry = gestures.current(state);
  const number = ++version;
  shownAll = engine.render(view, { onframe: (frame) => arrived(state, entry, frame, number) }).then(
    () => {
      painted = wanted;
      complain("picture-error");
    },
    (error) => {
      if (error.name !== "AbortError") painting = "";
      complain("picture-error", error);
    },
  );
}

/** A frame, or a part of one: the picture comes before its numbers. */
function arrived(state, entry, frame, number = 0) {
  const edited = Object.keys(entry.asked).length > 0;
  if (frame.bitmap && frame.bitmap !== picture.bitmap) {
    picture.show(frame.bitmap, number);
    if (state.at === null && !edited) original = { key: JSON.stringify(entry.start), bitmap: frame.bitmap };
    document.documentElement.dataset.ready = ""; // a face is on the screen
  }
  if (!frame.measured) return;
  if (state.at === null) {
    numbers.set(entry.id, frame);
    if (frame.final && frame.latent) gestures.arrive(entry, frame);
    if (frame.final) remember(entry);
  } else {
    mixed = frame;
  }
  showNumbers();
}

let remembering;

/** Keep a small picture, once the hand rests. */
function remember(entry) {
  clearTimeout(remembering);
  remembering = setTimeout(async () => {
    const now = store.state;
    if (now.at !== null || gestures.current(now) !== entry) return;
    thumbs.put(entry, picture.now);
    showThumbs();
    const others = [...now.faces, ...[now.a, now.b].filter(Boolean)];
    if (await thumbs.fetch(others, engine, description.limits.gallery).catch(() => false)) showThumbs();
  }, 60);
}

function showThumbs() {
  faces.update(store.state);
  morph.update(store.state);
}

/** Sliders and side effects, from what was asked and what was measured. */
function showNumbers() {
  const { state } = store;
  const entry = gestures.current(state);
  const walking = state.at !== null;
  const known = walking ? mixed : numbers.get(entry.id);
  const none = known === null || known === undefined;
  const switched = new Set(walking ? [] : gestures.kept(entry, features));
  panel.update((name, k) => {
    const asked = walking ? 0 : (entry.asked[name] ?? 0);
    const kept = switched.has(name);
    const measured = none ? null : known.measured[k];
    return {
      asked,
      own: none ? null : walking ? measured : known.own[k],
      measured,
      locked: !walking && (kept || entry.locks.includes(name)),
      kept: kept && !entry.locks.includes(name),
    };
  });
  effects.update(held, entry, walking ? undefined : known, switched);
  say("face-name", walking ? t`${Math.round(100 * state.at)} % of the way from A to B` : faceName(entry));
  say("short", !walking && known ? shortfall(entry, known) : "");
}

/** What to say where less was granted than asked. @param {any} entry @param {Partial<import("./engine.js").Frame>} known */
function shortfall(entry, { share, in_the_way: locks }) {
  if (!Object.keys(entry.asked).length || share >= 0.9) return "";
  const labels = locks.slice(0, 2).map((name) => description.features.find((feature) => feature.name === name).label);
  const why = labels.length ? t`keeping ${both(labels)} is in the way` : t`further out no faces live`;
  return t`${Math.max(0, Math.round(100 * share))} % of what was asked: ${why}`;
}

function show(state) {
  paint(); // first: the picture takes longest
  const entry = gestures.current(state);
  byId("undo").disabled = !store.canUndo;
  byId("redo").disabled = !store.canRedo;
  byId("exact").checked = entry.exact;
  byId("others").checked = entry.others;
  byId("guard").checked = entry.guard;
  byId("guard-label").hidden = !entry.exact || entry.others;
  byId("reset").disabled = !Object.keys(entry.asked).length;
  for (const button of thumbButtons()) {
    button.disabled = byId(button.dataset.for).disabled ?? false;
  }
  const key = JSON.stringify(entry.start);
  if (state.at !== null) picture.showOriginal(null);
  else if (original.key === key) picture.showOriginal(original.bitmap);
  else if (picture.wiping) fetchOriginal();
  faces.update(state);
  morph.update(state);
  mark.name(shownAs(state));
  showNumbers();
}

/** What kind of picture is on the screen. */
function shownAs(state) {
  const { start, asked } = gestures.current(state);
  if (state.at !== null || !("photo" in start)) return "generated";
  return Object.keys(asked).length ? "edited with AI" : "photograph";
}

// -- compare -------------------------------------------------------------------------------------------------------

async function fetchOriginal() {
  const { state } = store;
  const { start } = gestures.current(state);
  const key = JSON.stringify(start);
  if (state.at !== null) return;
  if (original.key !== key) {
    try {
      const frame = await engine.render({ face: { ...start, asked: {}, locks: [], exact: false } });
      original = { key, bitmap: frame.bitmap };
    } catch (error) {
      if (error.name !== "AbortError") complain("picture-error", error);
    }
    painting = ""; // the view that was on its way gave way to the original: ask for it again
    paint();
  }
  if (original.key === JSON.stringify(gestures.current(store.state).start)) picture.showOriginal(original.bitmap);
}

function compare(on) {
  if (on && !picture.comparing) fetchOriginal();
  picture.compare(on);
}

function setWipe(on) {
  byId("wipe-on").setAttribute("aria-pressed", String(on));
  picture.setWipe(on);
  if (on) fetchOriginal();
}

/** The buttons under a phone's picture. @returns {Iterable<any>} */
function thumbButtons() {
  return document.querySelectorAll(".thumbs button");
}

function holdButton(button) {
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    compare(true);
  });
  for (const end of ["pointerup", "pointercancel", "blur"]) button.addEventListener(end, () => compare(false));
  button.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && compare(true));
  button.addEventListener("keyup", () => compare(false));
  button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press on a phone
}

// -- the rest ------------------------------------------------------------------------------------------------------

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
}

async function random() {
  try {
    const face = await engine.random(randomSeed());
    store.do((state) => gestures.addFace(state, face));
  } catch (error) {
    complain("picture-error", error);
  }
}

function strip() {
  const name = held ?? description.groups[0].features[0];
  change((state) => state);
  const entry = gestures.current(store.state);
  const k = description.features.findIndex((feature) => feature.name === name);
  const own = numbers.get(entry.id)?.own[k] ?? 0;
  return strips.open(description.features[k], gestures.toFace(entry, features), own);
}

/** What is on the screen, as a face that can be saved, once the newest picture is there. */
async function shownFace() {
  for (let last; last !== shownAll; await last) last = shownAll;
  const { state } = store;
  if (state.at !== null && [state.a, state.b].some((end) => end && "photo" in end.start)) {
    return { photo: null, asked: {}, locks: [], exact: false }; // what is between photographs is a picture only
  }
  if (state.at === null || !mixed?.latent) return gestures.toFace(gestures.current(state), features);
  return { latent: mixed.latent, asked: {}, locks: [], exact: false };
}

byId("workspace").textContent = description.name;
byId("picture").style.setProperty("--most", `${Math.max(832, description.generator.resolution)}px`);
if (document.title === "tlgan studio") document.title = `${description.name} · tlgan studio`; // a published page has its own
const buttons = { undo: "undo", redo: "redo", map: "m", data: "d", share: null, save: "s", help: "?", random: "r", gallery: "g", strip: "t", presets: "e" };
for (const [id, key] of Object.entries(buttons)) byId(id).addEventListener("click", () => (key ? actions[key]() : files.share()));
byId("earlier").addEventListener("click", actions.ArrowLeft);
byId("later").addEventListener("click", actions.ArrowRight);
byId("reset").addEventListener("click", actions[0]);
byId("wipe-on").addEventListener("click", actions.w);
byId("exact").addEventListener("change", (event) => change((state) => gestures.exact(state, event.target.checked)));
byId("guard").addEventListener("change", (event) => change((state) => gestures.guard(state, event.target.checked)));
byId("others").addEventListener("change", (event) => change((state) => gestures.lockOthers(state, event.target.checked)));
for (const button of thumbButtons()) {
  if (button.dataset.for !== "compare") button.addEventListener("click", () => byId(button.dataset.for).click());
  else holdButton(button);
}
holdButton(byId("compare"));
keys.listen(actions, { compare });

engine.onstatus((trouble) => {
  const box = byId("connection");
  box.hidden = !trouble;
  box.textContent = trouble;
});

store.subscribe(show);

const named = files.fromAddress();
const before = named ? gestures.begin(named) : session.earlier(description);
if (before) {
  store.history.present = before;
  numbers.clear();
} else if (first) {
  // The server painted this face into the page: it is there before the first frame.
  const image = await createImageBitmap(await load(first.frame.picture), { colorSpaceConversion: "none" });
  arrived(store.state, gestures.current(store.state), { ...first.frame, bitmap: image, final: true });
}
show(store.state);
session.follow(store, description);
hint(store);
askByAddress();
addEventListener("hashchange", askByAddress);
/** For scripts and for the console: the same gestures by name. */
/** @type {any} */ (window).studio = {
  engine,
  description,
  /** Ask for changes in standard deviations. @param {Record<string, number>} asked */
  set: (asked) => change((state) => Object.entries(asked).reduce((s, [name, value]) => gestures.ask(s, name, value), state)),
  lock: hands.lock,
  /** Keep two seeds as A and B. */
  ends: (a, b) => {
    for (const [end, seed] of [["a", a], ["b", b]]) {
      store.do((state) => gestures.keep(gestures.addFace(state, { seed, asked: {}, locks: [], exact: false }), end));
    }
  },
  /** Whether a drag would take the picture's file along. */
  carried: () => Boolean(files.held?.file),
  /** Where the extractor sees the picture, by feature. */
  measured: () => byName((k) => shown()?.measured[k] ?? null),
  /** How far each feature is from the face's own place, by feature. */
  changes: () => byName((k) => (shown() ? shown().measured[k] - shown().own[k] : null)),
  /** How many pictures were asked for; a "painted" event says which one it shows. */
  version: () => version,
  /** Pixels a side of the picture on the screen, as it was painted. */
  side: () => picture.bitmap?.width ?? 0,
  /** Whether the picture on the screen is finished, be it the newest or not. */
  finished: () => !picture.draft,
  /** Whether the newest picture is on the screen, and finished. */
  idle: () => painted === painting && store.history.key === null && !picture.draft,
};

/** Ask what a preset in the address asks for. */
function askByAddress() {
  const preset = files.presetFromAddress();
  if (preset) change((state) => gestures.wish(state, preset));
}

function shown() {
  return store.state.at === null ? numbers.get(gestures.current(store.state).id) : mixed;
}

function byName(value) {
  return Object.fromEntries(description.features.map(({ name }, k) => [name, value(k)]));
}

async function load(url) {
  const image = make("img", { src: url });
  await image.decode();
  return image;
}
