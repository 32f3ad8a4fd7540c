// The engine's own thread. Frames come first: the newest view that waits is painted before anything else goes on, an older
// one is forgotten. A picture is sent as soon as it is painted, its measurements follow.

import { film } from "./film.js";
import { encode } from "./faces.js";
import { Painter, pixels, QUALITY } from "./painter.js";
import { asked as wishes, markGif, markPng } from "../provenance.js";
import { Site } from "./site.js";

const SMALL = 128; // pixels a side up to which a picture travels as it is
const PATIENCE = 120; // ms that a drag may go without new measurements

/** @type {Promise<Painter>} */
let ready;
let newest = null;
let painting = false;
let measuredAt = 0;

addEventListener("message", ({ data }) => {
  if (data.open) ready = open(data.open);
  else if (data.view) show(data);
  else if (data.verb) answer(data);
});

async function open({ manifest, base, backend }) {
  const site = new Site(manifest, base, (loaded) => postMessage({ loaded }));
  const begun = performance.now();
  try {
    const painter = await Painter.open(site, backend);
    const { networks } = painter;
    postMessage({ ready: { backend: networks.backend, threads: networks.threads, milliseconds: performance.now() - begun } });
    return painter;
  } catch (error) {
    postMessage({ failed: words(error) });
    throw error;
  }
}

// -- frames ----------------------------------------------------------------------------------------------------------

async function show(request) {
  newest = request;
  if (painting) return;
  painting = true;
  while (newest) {
    const current = newest;
    newest = null;
    try {
      await paint(await ready, current);
    } catch (error) {
      postMessage({ id: current.id, error: words(error) });
    }
    await breathe();
  }
  painting = false;
}

async function paint(painter, { id, view }) {
  if (view.mix) {
    const latent = await painter.mix(view.mix);
    const picture = await painter.networks.paint(latent);
    const measured = await painter.measured(picture);
    const reached = measured.map(() => 0);
    const found = { latent: encode(latent), place: encode(latent), quality: QUALITY, by: "axes" };
    await send(painter, id, picture, { measured, own: measured, reached, share: 1, in_the_way: [], ...found, final: true });
    return;
  }
  const edit = await painter.edit(view.face);
  const closes = painter.closes(edit);
  await look(painter, id, edit, painter.atOnce(edit), !closes);
  await breathe();
  if (closes && !newest) await look(painter, id, edit, await painter.solution(edit), true);
}

async function look(painter, id, edit, { latent, reached, share, in_the_way, by }, final) {
  const picture = await painter.networks.paint(latent);
  const numbers = { reached: Array.from(reached), share, in_the_way, place: encode(latent) };
  // the page keeps it with the face: it can't tell where looks have led
  if (edit.exact && final) Object.assign(numbers, edit.reached ?? { latent: encode(latent), quality: QUALITY, by });
  let own = painter.ownOf(edit.latent);
  if (own) {
    await send(painter, id, picture, { ...numbers, own, measured: null, final: false });
    await breathe();
    if (newest && performance.now() - measuredAt < PATIENCE) return;
  }
  const measured = await painter.measured(picture);
  measuredAt = performance.now();
  const still = latent.every((value, k) => value === edit.latent[k]);
  own ??= still ? painter.keepOwn(edit.latent, measured) : await painter.own(edit.latent);
  if (by !== "axes") {
    numbers.reached = measured.map((value, k) => (value === null || own[k] === null ? null : value - own[k]));
    numbers.share = painter.share(edit, numbers.reached) ?? share;
  }
  await send(painter, id, picture, { ...numbers, own, measured, final });
}

async function send(painter, id, picture, numbers) {
  const image = drawn(painter, picture);
  // The page enlarges small pictures itself and would have to read a bitmap back.
  if (image.width <= SMALL) return postMessage({ id, frame: { ...numbers, bitmap: image } });
  const bitmap = await createImageBitmap(image, { colorSpaceConversion: "none" });
  postMessage({ id, frame: { ...numbers, bitmap } }, [bitmap]);
}

// -- verbs -----------------------------------------------------------------------------------------------------------

const verbs = {
  solve: async (painter, { face }) => ({ latent: encode(await painter.place(face)) }),
  state: (painter, { face }) => painter.state(face),
  open: (painter, { state }) => painter.opened(state),

  async gallery(painter, { wish }) {
    const plain = { asked: {}, locks: [], exact: false };
    const wanted = wish.wanted && (await painter.nearest(wish.wanted, wish.count));
    const faces = wanted
      ? wanted.map((latent) => ({ latent: encode(latent), ...plain }))
      : wish.seeds.map((seed) => ({ seed, ...plain }));
    return each(faces, async (face) => ({ face, picture: await url(painter, await painter.start(face), "") }));
  },

  async strip(painter, { face, feature, asked }) {
    painter.axes.index(feature);
    const { reached: _, ...open } = face;
    const pictures = await each(asked, async (value) => {
      const here = (face.asked[feature] ?? 0) === value;
      const there = here ? face : { ...open, asked: { ...face.asked, [feature]: value } };
      return url(painter, await painter.place(there), wishes(there));
    });
    return { asked, pictures };
  },

  async film(painter, { a, b, options }) {
    // there and back, slow at both ends, so that it loops
    const places = Array.from({ length: options.frames }, (_, k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / options.frames));
    const frames = await each(places, async (at) => drawn(painter, await painter.networks.paint(await painter.mix({ a, b, at }))));
    return markGif(film(frames, options.fps), painter.site.facts.provenance, "a walk between two faces");
  },
};

async function answer({ call, verb, ...given }) {
  try {
    postMessage({ call, result: await verbs[verb](await ready, given) });
  } catch (error) {
    postMessage({ call, error: words(error) });
  }
}

/** One after the other, with room in between for a frame that somebody is dragging for. */
async function each(items, task) {
  const results = [];
  for (const item of items) {
    results.push(await task(item));
    await breathe();
  }
  return results;
}

async function url(painter, latent, asked) {
  const image = drawn(painter, await painter.networks.paint(latent));
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  const png = await markPng(await canvas.convertToBlob({ type: "image/png" }), painter.site.facts.provenance, asked);
  return new FileReaderSync().readAsDataURL(png);
}

function drawn(painter, picture) {
  const { width, height, channels } = painter.site.facts.picture;
  return pixels(picture, width, height, channels);
}

/** Let messages in. */
function breathe() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}

const words = (error) => (error instanceof Error ? error.message : String(error));
