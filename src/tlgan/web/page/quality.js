// How honest a slider is: what it changes of what it says, and what else changes with it, as measured on pictures.

import { signed } from "./dom.js";
import { t } from "./words.js";

export const MIXED = 1.5; // a slider that moves something else by this many times its own change is marked

/** @param {import("./engine.js").Feature} feature @returns {boolean} whether something else changes far more than what it says */
export const mixed = ({ got, effects }) =>
  got !== null && got !== undefined && effects.some(({ change }) => Math.abs(change) > MIXED * Math.abs(got));

/** One sentence for the hover. @param {import("./engine.js").Feature} feature @param {string} by  who measured */
export function sentence({ r2, agreement, got, effects, weak }, by) {
  const known = t`the axis explains ${Math.round(100 * r2)} % of what is measured, and two halves of the samples agree to ${agreement.toFixed(2)}`;
  const last = weak ? t`; weak here` : "";
  if (got === null || got === undefined) return known + last;
  const also = effects.map(({ label, change }) => `${label} ${signed(change)}`).join(", ");
  const effect = also ? t`asked for +1 it gives ${signed(got)}, and also ${also}` : t`asked for +1 it gives ${signed(got)}, and nothing else moves much`;
  return t`${effect} (measured by ${by}); ${known}` + last;
}
