// Fetches the files of this build once, into the cache from which the service worker answers without a network.
const PREFIX = "emotion-";
const CACHE = PREFIX + BUILD; // build.mjs puts a hash of all files in

// Returns the bytes of a file; `tell(bytes)` hears of each part that arrives.
export async function fetchOnce(url, tell = () => {}) {
  const cache = await openCache();
  const kept = await cache?.match(url);
  const answer = kept ?? await fetch(url);
  if (!answer.ok) throw new Error(`${url} cannot be loaded (${answer.status}); reload this page.`);
  const bytes = await new Response(answer.body.pipeThrough(counting(tell))).arrayBuffer();
  if (!kept) await keep(cache, url, bytes, answer.headers.get("Content-Type"));
  return bytes;
}

export const unpack = (bytes) =>
  new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();

// Returns what was kept for a request, or nothing.
export async function findKept(request) {
  return (await openCache())?.match(request, { ignoreSearch: true });
}

export async function dropOlder() {
  const names = await globalThis.caches?.keys() ?? [];
  const older = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(older.map((name) => caches.delete(name)));
}

// Without https, and in some private windows, there is none.
const openCache = async () => globalThis.caches?.open(CACHE).catch(() => null);

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
