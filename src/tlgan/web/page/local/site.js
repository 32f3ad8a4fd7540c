// The files that a page was published with, by name: fetched from beside it, or carried inside it.

/**
 * @typedef {{path: string, bytes: number, size: number} | {data: string | Uint8Array, size: number}} Entry
 *   `bytes`: as stored; `size`: as used. Stored files are compressed with gzip, whatever the host does, unless they are
 *   scripts; `data` is the stored file, or base64 of it.
 * @typedef {{files: Record<string, Entry>, facts: any, cache: string}} Manifest
 */

export class Site {
  /** @param {Manifest} manifest @param {string} base address that paths are relative to */
  constructor(manifest, base, progress = (_loaded) => {}) {
    this.manifest = manifest;
    this.facts = manifest.facts;
    this.base = base;
    this.progress = progress;
    this.loaded = 0;
  }

  /** Bytes of the networks that a visitor on WebAssembly waits for, as stored. */
  weight() {
    const needed = Object.entries(this.manifest.files).filter(([name]) => name !== "whole" && !name.endsWith("webgpu"));
    return needed.reduce((sum, [, entry]) => sum + ("path" in entry ? entry.bytes : 0), 0);
  }

  has(name) {
    return name in this.manifest.files;
  }

  /** The address of a script. @param {string} name */
  url(name) {
    const entry = this.manifest.files[name];
    if ("path" in entry) return new URL(entry.path, this.base).href;
    return URL.createObjectURL(new Blob([carried(entry.data)], { type: "text/javascript" }));
  }

  /** A file's bytes, as they are used. @param {string} name @returns {Promise<Uint8Array>} */
  async bytes(name) {
    const entry = this.manifest.files[name];
    const stored = "path" in entry ? await this.fetch(entry) : carried(entry.data);
    const bytes = stored[0] === 0x1f && stored[1] === 0x8b ? await inflate(stored) : stored;
    if (bytes.length !== entry.size) throw new Error(`The file “${name}” of this page is damaged: reload the page.`);
    return bytes;
  }

  async fetch(entry) {
    const address = new URL(entry.path, this.base).href;
    const kept = await this.kept();
    let answer = await kept?.match(address);
    const fresh = !answer;
    answer ??= await fetch(address).catch(() => null);
    if (!answer?.ok) throw new Error("A part of this page could not be loaded. Is the network still there?");
    const parts = [];
    const reader = answer.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      this.progress((this.loaded += part.value.length));
    }
    const blob = new Blob(parts);
    // kept here and not by the service worker: it isn't there yet when the first visitor's page loads
    if (fresh) await kept?.put(address, new Response(blob)).catch(() => {});
    return new Uint8Array(await blob.arrayBuffer());
  }

  /** Where what was fetched is kept for the next visit, where a browser has such a place. */
  async kept() {
    if (!this.manifest.cache || !globalThis.caches) return null;
    return caches.open(this.manifest.cache).catch(() => null);
  }
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function carried(data) {
  if (typeof data !== "string") return data;
  return Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
}
