// What somebody who is here for the first time is told: it goes with their first edit, or when they close it, for good.

import { byId, make } from "./dom.js";
import { keep, recall } from "./storage.js";
import { t } from "./words.js";

const KEY = "tlgan.hint"; // "read" once it was

/** @param {import("./store.js").Store} store */
export function hint(store) {
  if (recall(KEY) !== null) return;
  const close = () => {
    box.remove();
    keep(KEY, "read");
  };
  const box = make(
    "p.hint",
    { role: "note" },
    t`Pull a slider; lock what must stay. The small mark below it is what is measured on the picture.`,
    make("button.text", { click: close }, t`understood`),
  );
  byId("picture").append(box);
  store.subscribe(({ faces, current }) => box.isConnected && Object.keys(faces[current].asked).length && close());
}
