// Answers from the files of this build, so that the page works without a network after the first visit.
import { dropOlder, fetchOnce, findKept } from "./files.js";

const files = SITE_FILES.map((name) => new URL(name, registration.scope).href); // build.mjs puts their names in

addEventListener("install", (event) => {
  event.waitUntil(Promise.all(files.map((url) => fetchOnce(url))).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(dropOlder().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

const answer = async (request) => await findKept(request) ?? fetch(request);
