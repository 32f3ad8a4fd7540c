// The word "generated" on the picture. In a studio the person can put it away, since the work is their own; a published
// page has no switch for it.

import { byId, make, write } from "./dom.js";
import { keep, recall } from "./storage.js";
import { t, word } from "./words.js";

const KEY = "tlgan.mark"; // "off" in the browser's own storage

export class Mark {
  /** @param {import("./engine.js").Description} description */
  constructor({ provenance }) {
    this.fixed = provenance.published;
    this.show(this.fixed || recall(KEY) !== "off");
  }

  show(on) {
    byId("mark").hidden = !on;
  }

  /** What the picture is: generated, or a photograph that was edited. @param {"generated" | "photograph" | "edited with AI"} words */
  name(words) {
    write(byId("mark"), "textContent", word(words));
  }

  /** The switch, where there is one. @returns {Node | ""} */
  control() {
    if (this.fixed) return "";
    const box = make("input", { type: "checkbox", role: "switch", id: "show-mark", checked: !byId("mark").hidden });
    box.addEventListener("change", () => {
      this.show(box.checked);
      keep(KEY, box.checked ? "on" : "off"); // else it holds until the page is closed
    });
    return make("label.switch", {}, box, t`Show the mark “generated” on the picture. Files say it either way.`);
  }
}
