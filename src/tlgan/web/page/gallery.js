// Twenty-four faces to start from: random ones, or those of the samples that are nearest to a wish.

import * as dialog from "./dialog.js";
import { complain, make } from "./dom.js";
import { readWish } from "./wish.js";
import { t } from "./words.js";

const COUNT = 24;

export class Gallery {
  /**
   * @param {import("./engine.js").Engine} engine @param {import("./engine.js").Description} description
   * @param {(face: import("./engine.js").Face) => void} choose
   */
  constructor(engine, description, choose) {
    this.engine = engine;
    this.description = description;
    this.choose = choose;
  }

  open() {
    this.wish = make("input", {
      type: "search",
      placeholder: t`smiling +2, glasses`,
      "aria-label": t`Find faces by feature`,
      maxlength: 200,
      autocomplete: "off",
      spellcheck: "false",
    });
    const form = make(
      "form.wish",
      {
        submit: (event) => {
          event.preventDefault();
          this.look();
        },
      },
      this.description.nearest ? this.wish : "",
      this.description.nearest ? make("button", { type: "submit" }, t`find`) : "",
      make("button.primary", { type: "button", click: () => this.random() }, t`24 others`),
    );
    this.grid = make("div.grid", { "aria-busy": "true" });
    const body = make("div", {}, form, make("p.error", { id: "gallery-error", role: "alert", hidden: true }), this.grid);
    dialog.show(t`Faces to start from`, body, "wide");
    return this.random();
  }

  random() {
    this.wish.value = "";
    const seeds = Array.from(crypto.getRandomValues(new Uint32Array(COUNT)), (number) => number >>> 1);
    return this.fill({ seeds });
  }

  look() {
    if (!this.wish.value.trim()) return this.random();
    try {
      return this.fill({ wanted: readWish(this.wish.value, this.description.features), count: COUNT });
    } catch (error) {
      complain("gallery-error", error);
    }
  }

  async fill(wish) {
    this.grid.setAttribute("aria-busy", "true");
    try {
      const faces = await this.engine.gallery(wish);
      complain("gallery-error");
      this.grid.replaceChildren(...faces.map(({ face, picture }, k) => this.button(face, picture, k)));
    } catch (error) {
      complain("gallery-error", error);
    }
    this.grid.removeAttribute("aria-busy");
  }

  button(face, picture, k) {
    const name = face.seed === undefined ? t`sampled face ${k + 1}` : t`face ${face.seed}`;
    const click = () => {
      dialog.close();
      this.choose(face);
    };
    return make("button", { click, "aria-label": name, title: name }, make("img", { src: picture, alt: "" }));
  }
}
