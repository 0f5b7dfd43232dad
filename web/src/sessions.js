// ONNX Runtime with the files of this page. `runtime` is one of its builds: for the processor, or for the graphics processor.

// `wasm` is the content of the runtime's file, `loader` the address of its own script.
export function startRuntime(runtime, wasm, loader) {
  // More would need a page that is isolated from other sites, which a plain file server cannot ask for.
  runtime.env.wasm.numThreads = 1;
  runtime.env.wasm.wasmBinary = wasm;
  runtime.env.wasm.wasmPaths = { mjs: loader };
}

export const openSession = (runtime, model, provider) =>
  runtime.InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 3 }); // errors only

// Returns the function that gives the probabilities of `count` faces of `edge` x `edge` grey levels, face by face.
export async function openClassifier(runtime, model, provider, edge) {
  const session = await openSession(runtime, model, provider);
  return async (faces, count) => {
    const outputs = await compute(session, new runtime.Tensor("uint8", faces, [count, edge, edge]));
    return outputs[session.outputNames[0]];
  };
}

export async function compute(session, input) {
  const outputs = await session.run({ [session.inputNames[0]]: input });
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
}
