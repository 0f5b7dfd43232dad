// Fetches the files of this build once, into the cache from which the service worker answers without a network.
// `site` is the address of the page's folder: each folder of a host has caches of its own. Without one nothing is kept.
const ofSite = (site) => `emotion ${site} `;
const current = (site) => ofSite(site) + BUILD; // build.mjs puts a hash of all files in

// Returns the bytes of a file; `tell(bytes)` hears of each part that arrives.
export async function fetchOnce(url, site, tell = () => {}) {
  const cache = await openCache(site);
  const kept = await cache?.match(url);
  const answer = kept ?? await fetch(url, { cache: "no-cache" }); // the browser's own cache may hold an older build
  if (!answer.ok) throw new Error(`${url} cannot be loaded (${answer.status}); reload this page.`);
  const bytes = await new Response(answer.body.pipeThrough(counting(tell))).arrayBuffer();
  if (!kept) await keep(cache, url, bytes, answer.headers.get("Content-Type"));
  return bytes;
}

export const unpack = (bytes) =>
  new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();

// Returns what was kept for a request, or nothing.
export async function findKept(request, site) {
  return (await openCache(site))?.match(request, { ignoreSearch: true });
}

export async function dropOthers(site) {
  const names = (await caches.keys()).filter((name) => name.startsWith(ofSite(site)) && name !== current(site));
  await Promise.all(names.map((name) => caches.delete(name)));
}

// Without https, and in some private windows, there is none.
const openCache = async (site) => site && globalThis.caches?.open(current(site)).catch(() => null);

// A full disk keeps nothing; the next visit fetches the file again.
const keep = (cache, url, bytes, type) =>
  cache?.put(url, new Response(bytes, { headers: { "Content-Type": type } })).catch(() => {});

function counting(tell) {
  return new TransformStream({
    transform(part, controller) {
      tell(part.length);
      controller.enqueue(part);
    },
  });
}
