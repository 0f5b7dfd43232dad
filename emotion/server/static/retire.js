// The service worker of this address. Where the page without a server was served from it before, that page's own one would
// go on answering from its cache. The browser replaces it by this one, which removes both and opens this server's page.
addEventListener("install", () => skipWaiting());

addEventListener("activate", (event) => event.waitUntil(retire()));

async function retire() {
  const names = (await caches.keys()).filter((name) => name.startsWith(`emotion ${registration.scope} `));
  await Promise.all(names.map((name) => caches.delete(name)));
  const windows = await clients.matchAll({ type: "window" });
  await registration.unregister();
  for (const each of windows) each.navigate(each.url); // not awaited: it waits for this event
}
