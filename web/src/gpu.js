// WebGPU where there is one: fetches what it needs, tries it out, and lets it classify if it passes.
import { fetchOnce, unpack } from "./files.js";
import { tryOut, withFallback } from "./trial.js";

const ON_CPU = "The network runs on the processor, in WebAssembly";

// Replaces `networks.classify`; `say(text)` hears where the network runs. `wanted` is null, "always" (a GPU that is slower
// too, and one that is only a program) or "never". `alone(job)` runs a job while no task of the page is at work.
export async function useGpu(networks, files, facts, wanted, alone, say) {
  if (wanted === "never") return say(`${ON_CPU}, as ?gpu=never in the address asks.`);
  const cpu = networks.classify;
  const failed = (error) => say(`${ON_CPU}: WebGPU failed here (${error.message}).`);
  try {
    if (!await hasGpu(wanted)) return say(`${ON_CPU}: this browser offers no graphics processor.`);
    const gpu = await loadGpu(files, facts);
    const least = await tryOut(gpu, cpu, facts.face.face_size, alone, wanted === "always");
    if (least === Infinity) return say(`${ON_CPU}: it is faster here than the graphics processor.`);
    networks.classify = withFallback(gpu, cpu, least, failed);
    say(`The network runs on the graphics processor, by WebGPU${least > 1 ? `, from ${least} faces on` : ""}.`);
  } catch (error) {
    failed(error);
  }
}

async function hasGpu(wanted) {
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter && (wanted === "always" || !isProgram(adapter));
}

// Older browsers say it of the adapter itself.
const isProgram = (adapter) => adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter;

async function loadGpu({ base, site, emotion }, facts) {
  const names = ["classifier.js", "runtime.js", "runtime.bin"].map((name) => `${base}gpu/${name}`);
  const [script, loader] = names;
  // The scripts too, so that they are kept for use without a network.
  const contents = await Promise.all(names.map((name) => fetchOnce(name, site)));
  const { loadClassifier } = await import(script);
  return loadClassifier({ wasm: await unpack(contents.at(-1)), loader, emotion }, facts);
}
