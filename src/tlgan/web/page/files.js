// Faces that leave the page and come back: a PNG that remembers, saved, or dragged out and dropped anywhere; and a link that
// restores.

import * as dialog from "./dialog.js";
import { byId, complain, download, make, tell } from "./dom.js";
import { shorten } from "./half.js";
import * as link from "./link.js";
import * as png from "./png_state.js";
import { asked, markPng, ofPhotograph } from "./provenance.js";
import { current, restore, toFace } from "./state.js";
import { t } from "./words.js";

export class Files {
  /**
   * @param {import("./engine.js").Engine} engine @param {import("./engine.js").Description} description
   * @param {import("./store.js").Store} store @param {import("./picture.js").Picture} picture
   * @param {() => Promise<import("./engine.js").Face>} face  what is on the screen, as a face of its own
   * @param {import("./photograph.js").Photographs | null} photographs  where dropped pictures without a face go
   */
  constructor(engine, description, store, picture, face, photographs) {
    this.engine = engine;
    this.description = description;
    this.store = store;
    this.picture = picture;
    this.face = face;
    this.photographs = photographs;
    this.carries = false; // the page's own picture is being dragged
    /** What a drag takes out of the page: made when the picture is pressed. @type {{name: string, file: File|null, url: string} | null} */
    this.held = null;
    if (photographs) byId("drop").textContent = t`Drop a photograph to edit it, or a saved picture to bring its face back`;
    this.listen();
    store.subscribe(() => this.goneOn());
  }

  /** Say what is going to be inside the file, and save it. */
  ask() {
    const { state } = this.store;
    const wishes = state.at === null ? asked(toFace(current(state), this.description.features)) : "";
    const button = (kind, remember, words, more = {}) => {
      const click = () => {
        dialog.close();
        this.save(remember);
      };
      return make(`button${kind}`, { click, ...more }, words);
    };
    const shown = state.at === null ? current(state).start : {};
    const photograph = this.photographs?.known.get(shown.photo);
    const rows = (photograph ? ofOne(photograph, this.description, wishes) : inside(this.description, wishes)).flatMap(([term, words]) => [make("dt", {}, term), make("dd", {}, words)]);
    const body = make(
      "div",
      {},
      make("dl.about", {}, ...rows),
      ...(photograph
        ? [make("div.choices", {}, button(".primary", false, t`save`, { autofocus: true }))]
        : [
            make("p.quiet", {}, t`A copy without the face says the same of itself, and nobody can open it and move it on.`),
            make("div.choices", {}, button(".plain", false, t`save without the face`), button(".primary", true, t`save`, { autofocus: true })),
          ]),
    );
    dialog.show(t`Save this picture`, body, "small save");
  }

  /** @param {boolean} remember  whether the face goes into the file too */
  async save(remember = true) {
    try {
      const face = await this.face();
      if (link.isPhotograph(face)) remember = false;
      const { file, name } = await this.made(face, remember);
      download(file, name);
      complain("file-error");
      tell(link.isPhotograph(face) ? t`Saved.` : remember ? t`Saved. Drop the file on this page and the face is back.` : t`Saved, without the face.`);
    } catch (error) {
      complain("file-error", error);
    }
  }

  /** A face as the file that is saved, with its name. */
  async made(face, remember) {
    const whole = face.photo === null ? null : await this.engine.saved?.(face, remember);
    const file = whole ?? (await this.written(face, remember));
    const name = face.photo !== undefined ? "photograph" : face.seed === undefined ? "face" : `face-${face.seed}`;
    return { file, name: `${this.description.name}-${name}.${file.type.replace("image/", "").replace("jpeg", "jpg")}` };
  }

  /** Have the file ready that a drag of the picture takes along: once a drag begins, nothing can be waited for. */
  async prepare() {
    this.letGo();
    const held = (this.held = { name: "", file: null, url: "" });
    try {
      const face = await this.face();
      const { file, name } = await this.made(face, !link.isPhotograph(face));
      if (this.held !== held) return; // the person went on
      Object.assign(held, { name, file: new File([file], name, { type: file.type }), url: URL.createObjectURL(file) });
    } catch (error) {
      if (this.held === held) complain("file-error", error);
    }
  }

  letGo() {
    if (this.held?.url) URL.revokeObjectURL(this.held.url);
    this.held = null;
  }

  /** @param {DragEvent} event */
  carry(event) {
    if (!this.held?.file || !event.dataTransfer) {
      event.preventDefault();
      tell(t`The file is being made: drag again in a moment.`);
      return;
    }
    const { name, file, url } = this.held;
    event.dataTransfer.effectAllowed = "copy";
    event.dataTransfer.setData("DownloadURL", `${file.type}:${name}:${url}`); // for other programs
    event.dataTransfer.items.add(file); // for other pages
    this.carries = true;
  }

  /** The picture on the screen as a file. */
  async written(face, remember) {
    const picture = await this.picture.png();
    const file = remember ? await png.write(picture, await this.engine.state(face)) : picture;
    const { provenance } = this.description;
    return markPng(file, link.isPhotograph(face) ? ofPhotograph(provenance) : provenance, asked(face));
  }

  async share() {
    try {
      const face = await this.face();
      const fragment = link.write(face, this.description.generator.fingerprint);
      complain("file-error");
      await share(fragment, link.whole(face, fragment) ? "" : t`It is found anew where it is opened, and may look a little different: save a PNG to keep it as it is.`);
    } catch (error) {
      complain("file-error", error);
    }
  }

  /** The person went on: what was said about a file is past, and the address no longer names this face. */
  goneOn() {
    complain("file-error");
    this.letGo();
    if (location.hash && !this.isNamed()) history.replaceState(null, "", location.pathname + location.search);
  }

  /** Whether the address names just this face. */
  isNamed() {
    try {
      const named = link.read(location.hash, this.description);
      return named !== null && same(named, toFace(current(this.store.state), []));
    } catch {
      return false;
    }
  }

  /** The face that the address names, if it names one. */
  fromAddress() {
    return this.inAddress(link.read);
  }

  /** The preset that the address hands on, if it does. */
  presetFromAddress() {
    return this.inAddress(link.readPreset);
  }

  /** @template T @param {(fragment: string, description: import("./engine.js").Description) => T | null} read @returns {T | null} */
  inAddress(read) {
    try {
      return read(location.hash, this.description);
    } catch (error) {
      complain("file-error", error);
      return null;
    }
  }

  async open(file) {
    try {
      if (file.size > this.description.limits.bytes) throw new Error(t`That file is too large to be a picture saved here.`);
      const state = await png.find(file, this.photographs !== null);
      if (state === null && this.photographs) return this.photographs.open(file);
      const face = await this.engine.open(state ?? (await png.read(file)));
      this.store.do((state) => restore(state, face));
      complain("file-error");
      tell(t`The face is back.`);
    } catch (error) {
      complain("file-error", error);
    }
  }

  listen() {
    const cover = byId("drop");
    let depth = 0;
    const canvas = byId("now");
    canvas.draggable = true;
    canvas.addEventListener("pointerdown", (event) => {
      const zoomed = canvas.closest(".zoomed") !== null;
      canvas.draggable = !zoomed; // a drag moves what is in sight
      if (!zoomed && event.button === 0 && !this.held?.file) this.prepare();
    });
    canvas.addEventListener("dragstart", (event) => this.carry(event));
    addEventListener("dragend", () => {
      this.carries = false;
    });
    const carriesFile = (event) => !this.carries && [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragenter", (event) => {
      if (!carriesFile(event)) return;
      depth++;
      cover.hidden = false;
    });
    addEventListener("dragleave", () => {
      depth = Math.max(0, depth - 1);
      cover.hidden = depth === 0;
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      cover.hidden = true;
      const file = event.dataTransfer?.files[0];
      if (file && !this.carries) this.open(file);
    });
    addEventListener("hashchange", () => {
      const face = this.fromAddress();
      if (face && !this.isNamed()) this.store.do((state) => restore(state, face));
    });
  }
}

/** What is in a saved file, in rows. @param {import("./engine.js").Description} description @param {string} wishes */
function inside({ generator, provenance }, wishes) {
  const by = (provenance.claim["tlgan:Extractors"] ?? "").replaceAll(/ [0-9a-f]{64}\b/g, "");
  return [
    [t`Picture`, t`PNG, ${generator.width} × ${generator.height} pixels`],
    [t`It says`, [t`made by a trained generative model, ${generator.name}`, by && t`measured by ${by}`, wishes && t`asked: ${wishes}`].filter(Boolean).join("; ")],
    [t`Signed`, provenance.signed ? t`yes, as Content Credentials, with the key of this studio` : t`no: whoever wants to can change these words`],
    [t`The face`, t`its start, sliders and locks: drop the file on this page and it is back`],
  ];
}

/** The same of an edited photograph. @param {import("./photograph.js").Sent} photograph */
function ofOne({ width, height, kind }, { generator, provenance }, wishes) {
  if (!wishes) return [[t`Picture`, t`${kind}, ${width} × ${height} pixels`], [t`It says`, t`nothing new: without an edit it is the photograph, byte for byte`]];
  return [
    [t`Picture`, t`${kind}, ${width} × ${height} pixels: the photograph, with what changed laid back`],
    [t`It says`, t`a photograph edited with AI, by ${generator.name}; asked: ${wishes}`],
    [t`Signed`, provenance.signed ? t`yes, as Content Credentials, with the key of this studio` : t`no: whoever wants to can change these words`],
    [t`The face`, t`is not in it: keep the photograph to edit it again`],
  ];
}

/** @param {import("./engine.js").Face} a @param {import("./engine.js").Face} b */
function same(a, b) {
  /** @param {import("./engine.js").Face} face */
  const key = ({ seed, latent, asked, locks, soft = {}, exact, identity = false }) =>
    JSON.stringify([seed, latent && shorten(latent), sorted(asked), [...locks].sort(), sorted(soft), exact, identity]);
  return key(a) === key(b);
}

const sorted = (asked) => Object.entries(asked).sort(([a], [b]) => (a < b ? -1 : 1));

/** A link to this page, with this fragment, in the address bar and to be pasted. @param {string} fragment @param {string} more */
export async function share(fragment, more = "") {
  const address = new URL(fragment, location.href.split("#")[0]);
  history.replaceState(null, "", address.hash);
  try {
    await navigator.clipboard.writeText(address.href);
    tell(`${t`Link copied.`} ${more}`.trim());
  } catch {
    tell(`${t`The link is in the address bar: copy it from there.`} ${more}`.trim()); // no permission, or no clipboard
  }
}
