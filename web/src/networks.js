// The two networks in ONNX Runtime's WebAssembly. Their files and the runtime are handed in; nothing is fetched here.
import * as runtime from "onnxruntime-web/wasm";

const ERRORS_ONLY = { executionProviders: ["wasm"], logSeverityLevel: 3 };

// `loader` is the address of the runtime's own script.
export async function loadNetworks({ wasm, loader, emotion, yunet }, facts) {
  // More would need a page that is isolated from other sites, which a plain file server cannot ask for.
  runtime.env.wasm.numThreads = 1;
  runtime.env.wasm.wasmBinary = wasm;
  runtime.env.wasm.wasmPaths = { mjs: loader };
  const classifier = await runtime.InferenceSession.create(emotion, ERRORS_ONLY);
  const detector = await runtime.InferenceSession.create(yunet, ERRORS_ONLY);
  const edge = facts.face.face_size;
  return {
    async classify(faces, count) {
      const outputs = await compute(classifier, new runtime.Tensor("uint8", faces, [count, edge, edge]));
      return outputs[classifier.outputNames[0]];
    },
    detect: (pixels, width, height) => compute(detector, new runtime.Tensor("float32", pixels, [1, 3, height, width])),
  };
}

async function compute(session, input) {
  const outputs = await session.run({ [session.inputNames[0]]: input });
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
}
