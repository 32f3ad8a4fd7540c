// What the page knows of the outside: one engine, whoever it is. `remote.js` asks the server; `local.js` computes in a
// worker. An engine does all the algebra; the page holds what was asked and shows what comes back.

/**
 * A start (a seed, or a latent in base64) and what is asked of it, in standard deviations over the population.
 * @typedef {{seed?: number, latent?: string, photo?: string, asked: Record<string, number>, locks: string[], exact: boolean,
 *            soft?: Record<string, number>, identity?: boolean, reached?: Reached}} Face
 *   `soft` and `identity` come with faces saved elsewhere; the page hands them back as they are. `photo` names a photograph
 *   that the engine holds for this page, in place of a start.
 *
 * The latent that a face was resolved to (base64 of float32), at which quality and how: it is painted as it is.
 * @typedef {{latent: string, quality: string, by: string}} Reached
 *
 * What is to be seen: one face, or a place on the walk from face a (0) to face b (1).
 * @typedef {{face: Face} | {mix: {a: Face, b: Face, at: number}}} View
 *
 * Numbers of a picture, one a feature, in standard deviations over the population, 0 its mean: `measured`, where the
 * extractor sees the picture; `own`, where it sees the face without edits; `reached`, the change the solve expects.
 * `share` is the part of the wishes that was granted, and `in_the_way` the locks that cost most; `latent`, `quality` and `by` (see `Reached`) come
 * with a mix and with the last frame of an exact edit; `final` is false for the first guess of one. A number that couldn't be measured is null.
 * @typedef {{bitmap: ImageBitmap | ImageData, measured: (number|null)[], own: (number|null)[], reached: (number|null)[],
 *            share: number, in_the_way: string[], latent?: string, quality?: string, by?: string, final: boolean}} Frame
 *
 * @typedef {{name: string, label: string, low: string, high: string, kind: "probability"|"quantity", unit: string,
 *            group: string, band: [number, number], range: [number, number], mean: number, sd: number, r2: number,
 *            agreement: number, weak: boolean, got: number|null, effects: {label: string, change: number}[],
 *            disturbs: string[], purity: number|null}} Feature
 *   `band`: where 95 % of all faces lie; `range`: what the population holds; both in standard deviations.
 *   `mean`, `sd`: of the response, the logit of a probability or the quantity itself.
 *   `foreign` below: the extractors that know no pictures of this kind, what to say of them, and the features that are theirs.
 *
 * @typedef {{version: number, name: string,
 *            generator: {name: string, fingerprint: string, resolution: number, width: number, height: number, space: string, dimensions: number},
 *            features: Feature[], groups: {name: string, features: string[]}[],
 *            foreign?: {name: string, words: string, features: string[]}[], base: string[], effects_by: string, samples: number,
 *            correlations: {measured: number[][], axes: number[][]},
 *            limits: {asked: number, seeds: number, gallery: number, strip: number, frames: number, bytes: number, lossless: number},
 *            photographs?: {words: string, faces: boolean, bytes: number},
 *            films: string[], nearest: boolean, about: Record<string, unknown>,
 *            provenance: import("./provenance.js").Provenance}} Description
 *
 * Every method may reject with an Error whose message is a line for a person; one that was superseded or aborted
 * rejects with an AbortError, which nobody needs to handle. Pictures in lists are URLs that an <img> can show.
 *
 * @typedef {{signal?: AbortSignal, onframe?: (frame: Partial<Frame>) => void}} Asked
 *
 * What `onframe` is called with may be a part of a frame: a picture without numbers (`measured` missing) while these are still
 * being looked for, then the numbers without a picture (`bitmap` missing).
 * @typedef {object} Engine
 * @property {() => Promise<Description>} describe
 * @property {(() => {face: Face, frame: Omit<Frame, "bitmap"> & {picture: string}} | null)} first
 *   a face that is there already, where there is one
 * @property {(view: View, options?: Asked) => Promise<Frame>} render
 *   only the newest call is answered; `onframe` is called with everything on the way, the last frame included
 * @property {(face: Face) => Promise<{latent: string}>} solve
 * @property {(seed: number) => Promise<Face>} random
 * @property {(wish: {seeds: number[]} | {wanted: Record<string, number>, count: number})
 *            => Promise<{face: Face, picture: string}[]>} gallery
 * @property {(face: Face, feature: string, asked: number[]) => Promise<{asked: number[], pictures: string[]}>} strip
 * @property {(a: Face, b: Face, options: {format: string, fps: number, frames: number}) => Promise<Blob>} film
 * @property {(face: Face) => Promise<object>} state  all that a file must hold to bring the face back
 * @property {((face: Face, remember: boolean) => Promise<Blob | null>)=} saved  a PNG of the face that says what it is, with its
 *   state inside or without, where the picture on the screen is not fit to be saved
 * @property {(state: object) => Promise<Face>} open  the other way; another generator's state is refused by name
 * @property {((wish: {n: number, balance: string[], where: string, source: string, format: string}) => Promise<{samples: number, command: string,
 *   cells: {words: string, rows: number, samples: number, rare: boolean, impossible: string}[]}>)=} cells  a data set that is asked for: its cells,
 *   how many plain samples lie in each, and the command that makes it; missing where there are no samples; only the newest call is answered
 * @property {((face: Face, feature: string) => Promise<object>)=} near  a hand comes near this slider: get ready; only the newest
 *   call counts; missing where there is nothing to get ready
 * @property {((file: Blob) => Promise<import("./photograph.js").Sent>)=} photograph  hold a photograph for this page, where
 *   the engine takes any; which faces are in it
 * @property {((message: {photo: string, face?: number, box?: number[]}) => Promise<{step: number, steps: number, stage: string,
 *            seconds: number, done: boolean, picture: string}>)=} invert  begin, or go on for a second: what was found so far
 * @property {((photo: string) => Promise<object>)=} forget  let it go
 * @property {(listen: (trouble: string) => void) => void} onstatus  called at every change with a line that says why no
 *   pictures come, "" while they do
 */

/** The engine that this page was published with. @returns {Promise<Engine>} */
export async function openEngine() {
  const name = document.querySelector('meta[name="engine"]')?.getAttribute("content") ?? "remote";
  if (!/^[a-z]+$/.test(name)) throw new Error(`unknown engine ${name}`);
  const module = await import(`./${name}.js`);
  return module.open();
}

/**
 * A place in the population as the feature's own value: "62 %", "41 years".
 * @param {Feature} feature @param {number} position
 */
export function natural(feature, position) {
  const response = feature.mean + feature.sd * position;
  if (feature.kind === "probability") return `${Math.round(100 / (1 + Math.exp(-response)))} %`;
  const digits = feature.sd >= 2 ? 0 : feature.sd >= 0.2 ? 1 : 2;
  return `${response.toFixed(digits)}${feature.unit ? ` ${feature.unit}` : ""}`.replace("-", "−");
}
