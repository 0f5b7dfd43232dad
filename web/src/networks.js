// The two networks in ONNX Runtime's WebAssembly. Their files and the runtime are handed in; nothing is fetched here.
// They share their memory, so only one of them may be at work.
import * as runtime from "onnxruntime-web/wasm";
import { compute, openClassifier, openSession, startRuntime } from "./sessions.js";

export async function loadNetworks({ wasm, loader, emotion, yunet }, facts) {
  startRuntime(runtime, wasm, loader);
  const classify = await openClassifier(runtime, emotion, "wasm", facts.face.face_size);
  const detector = await openSession(runtime, yunet, "wasm");
  const detect = (pixels, width, height) => compute(detector, new runtime.Tensor("float32", pixels, [1, 3, height, width]));
  return { classify, detect };
}
