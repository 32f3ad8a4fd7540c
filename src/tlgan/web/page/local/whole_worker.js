// The thread that paints whole pictures. Of those for the screen only the newest that waits is painted; one that is to be
// saved always is.

import { decode } from "./faces.js";
import { Networks } from "./networks.js";
import { pixels } from "./painter.js";
import { Site } from "./site.js";

let site;
/** @type {Promise<Networks>} */
let ready;
let queue = [];
let painting = false;

addEventListener("message", ({ data }) => {
  if (data.open) open(data.open);
  else take(data);
});

function open({ manifest, base, backend }) {
  site = new Site(manifest, base);
  ready = Networks.open(site, backend, ["whole"]);
  ready.catch(() => postMessage({ failed: true }));
}

async function take(request) {
  if (!request.png) {
    for (const { id, png } of queue) if (!png) postMessage({ id, error: "superseded" });
    queue = queue.filter(({ png }) => png);
  }
  queue.push(request);
  if (painting) return;
  painting = true;
  while (queue.length) await answer(queue.shift());
  painting = false;
}

async function answer({ id, latent, png }) {
  try {
    const networks = await ready;
    const values = decode(latent, atob(latent).length / 4);
    const { channels, whole: [height, width] } = site.facts.picture;
    const image = pixels(await networks.run("whole", values, [1, values.length]), width, height, channels);
    if (png) {
      const canvas = new OffscreenCanvas(width, height);
      canvas.getContext("2d").putImageData(image, 0, 0);
      return postMessage({ id, result: await canvas.convertToBlob({ type: "image/png" }) });
    }
    const bitmap = await createImageBitmap(image, { colorSpaceConversion: "none" });
    postMessage({ id, result: bitmap }, [bitmap]);
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
}
