// The network on the graphics processor, in the build of ONNX Runtime for WebGPU: a file of its own, fetched where it is of use.
import * as runtime from "onnxruntime-web/webgpu";
import { openClassifier, startRuntime } from "./sessions.js";
import { watched } from "./trial.js";

const MOST = 64; // faces at a time: more need buffers larger than WebGPU promises

export async function loadClassifier({ wasm, loader, emotion }, facts) {
  const edge = facts.face.face_size;
  const classes = facts.classes.length;
  startRuntime(runtime, wasm, loader);
  const classify = await openClassifier(runtime, emotion, "webgpu", edge);
  const inParts = async (faces, count) => {
    const shares = new Float32Array(count * classes);
    for (let first = 0; first < count; first += MOST) {
      const last = Math.min(first + MOST, count);
      shares.set(await classify(faces.subarray(first * edge ** 2, last * edge ** 2), last - first), first * classes);
    }
    return shares;
  };
  return watched(inParts, (await runtime.env.webgpu.device).lost);
}
