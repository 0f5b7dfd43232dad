// The engine in this browser: the same interface as the server's (emotion/server/static/server_engine.js).
import { fetchOnce } from "./files.js";
import { tasksOf } from "./tasks.js";

const EDGE = 640; // longest edge of a camera frame, in pixels, as the server gets it

// `base` is the address of the folder with the worker and the networks; `site` that of the page, if it keeps its files.
export function browserEngine(base, site = null) {
  let facts = null;
  let worker = null;
  let sayProgress = () => {};
  let sayProcessor = () => {};

  const describe = () => (facts ??= readFacts(base, site).catch((error) => {
    facts = null; // the next try fetches again
    throw notLoaded("The description of the network", error);
  }));

  // Loads the networks, once; `say(text)` hears how far it is.
  function prepare(say = () => {}) {
    sayProgress = ({ loaded, size }) => say(`Loading the networks: ${megabytes(loaded)} of ${megabytes(size)} MB ...`);
    const forget = () => { worker = null; };
    const gpu = new URLSearchParams(location.search).get("gpu");
    const hear = (told) => ("processor" in told ? sayProcessor(told.processor) : sayProgress(told));
    const load = async () => start({ base, site, facts: await describe(), gpu }, hear, forget);
    return (worker ??= load().catch((error) => {
      forget();
      throw error;
    }));
  }

  return {
    kind: "browser",
    describe,
    prepare,
    onProcessor(listener) { sayProcessor = listener; },
    predict: async (file, signal) => (await prepare())("predict", { file }, { signal }),
    async live({ smoothing, answered }) {
      const call = await prepare();
      await call("startVideo", { smoothing });
      return videoOf(call, answered);
    },
  };
}

const readFacts = async (base, site) => JSON.parse(new TextDecoder().decode(await fetchOnce(`${base}facts.json`, site)));

// What browsers say of a failed request differs, and says too little.
const notLoaded = (what, cause) =>
  new Error(`${what} could not be loaded. Check the connection, then try again or reload this page.`, { cause });

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

function videoOf(call, answered) {
  let open = true;
  return {
    smooth: (smoothing) => call("smooth", { smoothing }),
    close: () => { open = false; },
    // Returns whether there was a frame.
    async send(video) {
      const bitmap = await frameOf(video);
      if (!bitmap) return false;
      const answer = await call("frame", { bitmap, time: performance.now() / 1000 }, { transferred: [bitmap] });
      if (open) answered(answer);
      return true;
    },
  };
}

async function frameOf(video) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width || !height) return null;
  const shrink = EDGE / Math.max(width, height);
  if (shrink >= 1) return createImageBitmap(video);
  const [resizeWidth, resizeHeight] = [width, height].map((edge) => Math.round(edge * shrink));
  return createImageBitmap(video, { resizeWidth, resizeHeight, resizeQuality: "medium" });
}

// Returns the function that calls a task of the worker, once its networks are loaded.
async function start(options, tell, ended) {
  const worker = new Worker(underThePolicyOfThePage(`${options.base}worker.js`), { type: "module" });
  const call = tasksOf(worker, ended);
  worker.addEventListener("message", ({ data }) => { if (data.told) tell(data.told); });
  await call("load", options).catch((error) => {
    worker.terminate();
    throw notLoaded("The networks", error);
  });
  return call;
}

// A worker has the Content-Security-Policy of its own answer, which a plain file server does not send. One that starts
// from a blob has the policy of its page.
function underThePolicyOfThePage(url) {
  const code = `import ${JSON.stringify(url)};`;
  return URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
}
