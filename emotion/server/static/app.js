// The page of `emotion serve`: its own engine, and the one in the browser where this installation has it.
import { startPage } from "./page.js";
import { serverEngine } from "./server_engine.js";

const engine = serverEngine();

async function inThisBrowser() {
  const { local } = await engine.describe().catch(() => ({})); // the tab Model says that the server does not answer
  if (!local) return null;
  const folder = new URL("../local/engine/", import.meta.url).href;
  const { browserEngine } = await import(`${folder}engine.js`);
  return browserEngine(folder);
}

// The page works at once; the other engine is offered when it is known.
startPage(engine, inThisBrowser());
