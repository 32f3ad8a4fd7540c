// A face as the fragment of a link: seed and edits while that suffices, the latent otherwise. Names stay readable:
// #seed=7&ask=smiling:1.4,young:-1&lock=male&exact=1&of=0f3a...

/** @typedef {import("./engine.js").Face} Face */

const MARK = 12; // letters of the generator's fingerprint in the link

/** @param {Face} face @param {string} fingerprint */
export function write(face, fingerprint) {
  const parts = [face.latent === undefined ? `seed=${face.seed}` : `at=${toUrl(face.latent)}`];
  const asked = Object.entries(face.asked).map(([name, value]) => `${name}:${value}`);
  if (asked.length) parts.push(`ask=${asked.join(",")}`);
  if (face.locks.length) parts.push(`lock=${face.locks.join(",")}`);
  if (face.exact) parts.push("exact=1");
  parts.push(`of=${fingerprint.slice(0, MARK)}`);
  return `#${parts.join("&")}`;
}

/**
 * The face of a fragment, or null where it names none; an Error in words for one that can't be meant for this page.
 * @param {string} fragment @param {import("./engine.js").Description} description @returns {Face|null}
 */
export function read(fragment, description) {
  const words = new URLSearchParams(fragment.replace(/^#/, ""));
  if (!words.has("seed") && !words.has("at")) return null;
  const of = words.get("of");
  const { fingerprint, name } = description.generator;
  if (of && !fingerprint.startsWith(of)) throw new Error(`That link is for another generator (${of}); this is ${name}.`);
  const known = new Set(description.features.map((feature) => feature.name));
  const check = (feature) => {
    if (!known.has(feature)) throw new Error(`That link asks for “${feature}”, which this workspace does not have.`);
    return feature;
  };
  const asked = {};
  for (const item of list(words.get("ask"))) {
    const [feature, value] = item.split(":");
    const number = Number(value);
    if (!value || !Number.isFinite(number)) throw new Error(`That link is damaged at “${item}”.`);
    const most = description.limits.asked;
    asked[check(feature)] = Math.min(most, Math.max(-most, number));
  }
  const locks = list(words.get("lock")).map(check);
  const exact = words.get("exact") === "1";
  if (words.has("at")) return { latent: fromUrl(words.get("at")), asked, locks, exact };
  const seed = Number(words.get("seed"));
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 31) throw new Error("That link is damaged: its seed is no number.");
  return { seed, asked, locks, exact };
}

const list = (text) => (text ? text.split(",").filter(Boolean) : []);
const toUrl = (base64) => base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const fromUrl = (text) => {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return base64 + "=".repeat((4 - (base64.length % 4)) % 4);
};
