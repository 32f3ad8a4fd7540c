// One slider as a strip of seven pictures, evenly over what the population holds, saved as one PNG with its numbers.

import * as dialog from "./dialog.js";
import { complain, download, make, signed } from "./dom.js";
import { natural } from "./engine.js";
import { isPhotograph } from "./link.js";
import { asked as wishes, markPng, ofPhotograph, signed as exactly } from "./provenance.js";
import { t } from "./words.js";

const STEPS = 7;
const SIDE = 256; // of a picture in the saved strip, at least
const GAP = 8;
const FOOT = 40;

export class Strip {
  /** @param {import("./engine.js").Engine} engine @param {import("./engine.js").Description} description */
  constructor(engine, description) {
    this.engine = engine;
    this.description = description;
  }

  /**
   * @param {import("./engine.js").Feature} feature @param {import("./engine.js").Face} face
   * @param {number} own  where the face itself stands
   */
  async open(feature, face, own) {
    const list = make("ol.strip", { "aria-busy": "true" });
    const save = make("button.primary", { disabled: true }, t`save as PNG`);
    const body = make(
      "div",
      {},
      list,
      make("p.error", { id: "strip-error", role: "alert", hidden: true }),
      make("div.choices", {}, save),
    );
    dialog.show(t`${feature.label}: ${feature.low} to ${feature.high}`, body, "wide");
    const places = stops(feature.band);
    try {
      const { asked, pictures } = await this.engine.strip(face, feature.name, places.map((place) => place - own));
      const images = await Promise.all(pictures.map(load));
      list.replaceChildren(
        ...images.map((image, k) => {
          image.alt = `${feature.label} ${natural(feature, places[k])}`;
          return make("li", {}, image, make("span", {}, signed(asked[k])), make("span.quiet", {}, natural(feature, places[k])));
        }),
      );
      save.disabled = false;
      save.addEventListener("click", async () => {
        const sheet = await compose(feature, images, asked);
        const said = `${feature.name}=${exactly(asked[0])}..${exactly(asked.at(-1))} ${wishes(face)}`.trim();
        const { provenance } = this.description;
        download(await markPng(sheet, isPhotograph(face) ? ofPhotograph(provenance) : provenance, said), `${this.description.name}-${feature.name}.png`);
      });
    } catch (error) {
      complain("strip-error", error);
    }
    list.removeAttribute("aria-busy");
  }
}

/** Seven places over the band in which 95 % of all faces lie. */
export const stops = ([from, to]) => Array.from({ length: STEPS }, (_, k) => from + ((to - from) * k) / (STEPS - 1));

async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

/** All in one picture, with the asked change under each. @returns {Promise<Blob>} */
function compose(feature, images, asked) {
  const { naturalWidth, naturalHeight } = images[0];
  const scale = Math.max(1, SIDE / Math.max(naturalWidth, naturalHeight));
  const [width, height] = [Math.round(naturalWidth * scale), Math.round(naturalHeight * scale)];
  const canvas = new OffscreenCanvas(images.length * (width + GAP) + GAP, height + 2 * GAP + FOOT);
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.textAlign = "center";
  context.fillStyle = "#222222";
  context.font = "20px system-ui, sans-serif";
  images.forEach((image, k) => {
    const x = GAP + k * (width + GAP);
    context.drawImage(image, x, GAP, width, height);
    context.fillText(`${k === 3 ? `${feature.label} ` : ""}${signed(asked[k])}`, x + width / 2, height + GAP + 28);
  });
  return canvas.convertToBlob({ type: "image/png" });
}
