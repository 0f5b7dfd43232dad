// Whether the graphics processor classifies faces: only if it gives the probabilities of the processor, and only as many
// faces at a time as it is faster with. Some drivers compute wrongly, and some are slower than the processor.

const COUNTS = [1, 16]; // faces at a time
const RUNS = 3;
const TOLERANCE = 1e-3; // of a probability

// Returns the least number of faces with which `gpu` is used: 1, 16 or Infinity. Both are functions as in sessions.js.
export async function tryOut(gpu, cpu, edge, always = false) {
  const most = Math.max(...COUNTS);
  const faces = drawFaces(most, edge);
  const [here, there] = [await gpu(faces, most), await cpu(faces, most)];
  if (!there.every((share, index) => Math.abs(share - here[index]) < TOLERANCE)) {
    throw new Error("it gives other probabilities than the processor");
  }
  if (always) return 1;
  for (const count of COUNTS) {
    const some = faces.subarray(0, count * edge ** 2);
    if (await fastest(gpu, some, count) < await fastest(cpu, some, count)) return count;
  }
  return Infinity;
}

// Returns the classifier that uses `gpu` from so many faces on. Should it fail, `cpu` has this and all later ones.
export function withFallback(gpu, cpu, least, failed) {
  let works = true;
  return async (faces, count) => {
    if (!works || count < least) return cpu(faces, count);
    return gpu(faces, count).catch((error) => {
      works = false;
      failed(error);
      return cpu(faces, count);
    });
  };
}

// Waves of different lengths: each face is another one.
const drawFaces = (count, edge) => Uint8Array.from({ length: count * edge ** 2 }, (_, index) => {
  const face = Math.floor(index / edge ** 2);
  return 128 + 120 * Math.sin((index % edge) / (2 + face)) * Math.cos(Math.floor(index / edge) / (3 + face));
});

async function fastest(classify, faces, count) {
  const times = [];
  for (let run = 0; run <= RUNS; run++) {
    const begun = performance.now();
    await classify(faces, count);
    times.push(performance.now() - begun);
  }
  return Math.min(...times.slice(1)); // the first run prepares what the others use
}
