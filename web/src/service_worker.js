// Answers from the files of this build, so that the page works without a network after the first visit.
import { dropOthers, fetchOnce, findKept } from "./files.js";

const site = registration.scope;
const files = SITE_FILES.map((name) => new URL(name, site).href); // build.mjs puts their names in

addEventListener("install", (event) => {
  event.waitUntil(Promise.all(files.map((url) => fetchOnce(url, site))).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(dropOthers(site).then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

const answer = async (request) => await findKept(request, site) ?? fetch(request);
