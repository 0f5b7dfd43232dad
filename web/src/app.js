// The page without a server: the page of `emotion serve` with the engine in this browser alone.
import { startPage } from "../../emotion/server/static/page.js";
import { browserEngine } from "./engine.js";

const site = new URL("../", import.meta.url).href;
const engine = browserEngine(`${site}engine/`, site);
startPage(engine);

// Once the networks are here, the service worker finds them in the cache and fetches the rest for use without a network.
engine.prepare().catch(() => {}).then(() => navigator.serviceWorker?.register("service_worker.js"));
