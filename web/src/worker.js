// The engine's own thread: answers { task, ... } with { result } or { error }, and tells { told: { loaded, size } } and
// { told: { processor } }.
import { fetchOnce, unpack } from "./files.js";
import { useGpu } from "./gpu.js";
import { loadNetworks } from "./networks.js";
import { pixelsOf, readPicture } from "./pictures.js";
import { Predictor } from "./predictor.js";
import { unshuffle } from "./shuffle.js";
import { turns } from "./turns.js";

const FILES = ["runtime.bin", "emotion.bin", "yunet.bin"];

const inTurn = turns();

let predictor = null;
let video = null;

const tell = (told) => postMessage({ told });

const tasks = {
  async load({ base, site, facts, gpu }) {
    const size = Object.values(facts.sizes).reduce((sum, bytes) => sum + bytes, 0);
    let loaded = 0;
    const count = (bytes) => tell({ loaded: loaded += bytes, size });
    const fetchFile = async (name) => unpack(await fetchOnce(base + name, site, count));
    const [wasm, shuffled, yunet] = await Promise.all(FILES.map(fetchFile));
    const emotion = unshuffle(new Uint8Array(shuffled));
    const networks = await loadNetworks({ wasm, loader: `${base}runtime.js`, emotion, yunet }, facts);
    predictor = new Predictor(networks, facts);
    // Nobody waits for it: the page works meanwhile.
    useGpu(networks, { base, site, emotion }, facts, gpu, inTurn, (processor) => tell({ processor }));
  },
  async predict({ file }) {
    return predictor.predict(await readPicture(file, predictor.facts.limits), file.name);
  },
  startVideo({ smoothing }) {
    video = predictor.startVideo(smoothing);
  },
  smooth({ smoothing }) {
    video.smooth(smoothing);
  },
  frame({ bitmap, time }) {
    return video.next(pixelsOf(bitmap), time);
  },
};

addEventListener("message", async ({ data: { task, ...options } }) => {
  try {
    postMessage({ result: await inTurn(() => tasks[task](options)) });
  } catch (error) {
    postMessage({ error: error.message });
  }
});
