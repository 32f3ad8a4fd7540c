// The faces of this tab come back after a reload, and after a crash where the browser restores its tabs. They lie in the tab's
// own storage and go with it. Photographs are not among them.

import { pack, unpack } from "./state.js";
import { keep, recallJson } from "./storage.js";

const REST = 250; // milliseconds without a step after which the state is kept
const AREA = "sessionStorage";

/** @param {import("./engine.js").Description} description */
const key = ({ generator }) => `tlgan.session.${generator.fingerprint.slice(0, 12)}`;

/** @param {import("./store.js").Store} store @param {import("./engine.js").Description} description */
export function follow(store, description) {
  let waiting;
  const save = () => {
    clearTimeout(waiting);
    const kept = pack(store.state);
    if (kept.faces.length) keep(key(description), JSON.stringify(kept), AREA);
  };
  store.subscribe(() => {
    clearTimeout(waiting);
    waiting = setTimeout(save, REST);
  });
  addEventListener("pagehide", () => store.canUndo && save());
}

/** What this tab held before, or null. @param {import("./engine.js").Description} description */
export function earlier(description) {
  const known = new Set(description.features.map(({ name }) => name));
  try {
    const state = unpack(recallJson(key(description), AREA));
    const named = state.faces.flatMap(({ asked, locks }) => [...Object.keys(asked), ...locks]);
    return state.faces[state.current] && named.every((name) => known.has(name)) ? state : null;
  } catch {
    return null; // nothing, or of another version
  }
}
