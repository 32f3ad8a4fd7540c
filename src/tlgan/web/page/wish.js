// "smiling +2, glasses, older" as numbers: names, labels and the words at both ends of a slider all count.

import { t } from "./words.js";

const USUAL = 2; // standard deviations meant by a word without a number

/**
 * @param {string} text @param {import("./engine.js").Feature[]} features
 * @returns {Record<string, number>}  feature: place in the population, in standard deviations
 */
export function readWish(text, features) {
  const wanted = /** @type {Record<string, number>} */ ({});
  for (const item of text.split(/[,;，；、]/).map((part) => part.trim()).filter(Boolean)) {
    const match = /^(.*?)\s*[:=]?\s*([+\-−]?\d+(?:\.\d+)?)?$/u.exec(item);
    const words = plain(match?.[1] ?? item);
    const found = find(words, features);
    if (!found) throw new Error(t`No slider is called “${item}”.`);
    const value = match?.[2] === undefined ? USUAL : Number(match[2].replace("−", "-"));
    wanted[found.name] = found.sign * value;
  }
  if (!Object.keys(wanted).length) throw new Error(t`Say what to look for: smiling +2, glasses`);
  return wanted;
}

function find(words, features) {
  const tests = [
    (f) => plain(f.name) === words && 1,
    (f) => plain(f.label) === words && 1,
    (f) => plain(f.high) === words && 1,
    (f) => plain(f.low) === words && -1,
    (f) => words.length > 2 && (plain(f.name).includes(words) || plain(f.label).includes(words)) && 1,
    (f) => words.length > 2 && plain(f.high).includes(words) && 1,
  ];
  for (const test of tests) {
    for (const feature of features) {
      const sign = test(feature);
      if (sign) return { name: feature.name, sign };
    }
  }
  return null;
}

const plain = (text) => text.toLowerCase().replace(/[_\s]+/g, " ").trim();
