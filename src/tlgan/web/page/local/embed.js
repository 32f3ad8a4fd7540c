// The widget of one file: the engine of a published page, with everything it would fetch carried along.

import { Local } from "../local.js";
import { Widget } from "./widget.js";

/** @param {HTMLElement} host @param {any} data  see `tlgan.web.publish.embed` @param {Record<string, string>} urls of modules */
export function begin(host, { first, site, ...looks }, urls) {
  const worker = new Worker(urls["local/worker.js"], { type: "module" });
  return new Widget(host, { engine: new Local(first, site, worker), first, ...looks });
}
