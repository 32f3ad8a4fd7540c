// The published page without a network: whatever it once loaded is answered from here. Every file but the page itself has
// its content in its name, so what is kept never grows old; files of an earlier publication are thrown out.
// `CACHE` and `FILES` are written above this line when a site is published.

/* global CACHE, FILES */

const scope = new URL("./", self.location.href);
const known = new Set(FILES.map((path) => new URL(path, scope).href));

self.addEventListener("install", (event) => {
  // The page has just been loaded: these come from the browser's own cache. The networks are put here by the page.
  const shell = [...known].filter((address) => !/\/data\//.test(address));
  const requests = shell.map((address) => new Request(address, { cache: "force-cache" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(prune().then(() => self.clients.claim()));
});

async function prune() {
  const cache = await caches.open(CACHE);
  for (const { url } of await cache.keys()) {
    if (url.startsWith(scope.href) && !known.has(url)) await cache.delete(url);
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(scope.href)) return;
  event.respondWith(request.mode === "navigate" ? page(request) : file(request));
});

/** The newest page where there is a network, else the one that is kept. */
async function page(request) {
  const cache = await caches.open(CACHE);
  const address = new URL(new URL(request.url).pathname, scope).href;
  try {
    const answer = await fetch(request);
    if (answer.ok && known.has(address)) await cache.put(address, answer.clone());
    return isolated(answer);
  } catch (error) {
    const kept = await cache.match(address, { ignoreVary: true });
    if (kept) return isolated(kept);
    throw error;
  }
}

async function file(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
  if (kept) return isolated(kept);
  const answer = await fetch(request);
  if (answer.ok && known.has(request.url) && !/\/data\//.test(request.url)) await cache.put(request, answer.clone());
  return isolated(answer);
}

/** Isolated from other origins, of which it needs none: that is what a browser wants to see before it grants threads. */
function isolated(answer) {
  if (answer.type === "opaque" || answer.redirected) return answer;
  const headers = new Headers(answer.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "cross-origin");
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}
