// Whether the graphics processor classifies faces: only if it gives the probabilities of the processor, and only as many
// faces at a time as it is faster with. Some drivers compute wrongly, and some are slower than the processor.

const COUNTS = [1, 16]; // faces at a time
const RUNS = 3;
const TOLERANCE = 1e-3; // of a probability
const PATIENCE = 60_000; // milliseconds for a run that the page waits for; nobody waits for the first ones of the trial

// Returns the least number of faces with which `gpu` is used: 1, 16 or Infinity. Both are functions as in sessions.js.
// `alone(job)` runs a job while nothing else is at work: what else uses `cpu`, or would count as time of the one or the other.
export async function tryOut(gpu, cpu, edge, alone, always = false) {
  const faces = drawFaces(Math.max(...COUNTS), edge);
  const some = (count) => faces.subarray(0, count * edge ** 2);
  for (const count of COUNTS) await compare(gpu, cpu, some(count), count, alone);
  if (always) return 1;
  for (const count of COUNTS) {
    const time = (classify) => fastest(classify, some(count), count, alone);
    if (await time(inTime(gpu)) < await time(cpu)) return count;
  }
  return Infinity;
}

// These runs also prepare what those that are timed use.
async function compare(gpu, cpu, faces, count, alone) {
  const [shares, right] = [await gpu(faces, count), await alone(() => cpu(faces, count))];
  if (right.every((share, index) => Math.abs(share - shares[index]) < TOLERANCE)) return;
  throw new Error("it gives other probabilities than the processor");
}

// Returns `gpu` with the faults that ONNX Runtime does not report: with a lost device a run never ends, and with too little
// memory its numbers are wrong. One run at a time. `lost` is the promise of the device.
export function watched(gpu, lost) {
  let fault = null;
  let fail = () => {};
  lost.then(({ message }) => fail(fault = new Error(`the device was lost: ${message}`)));
  return (faces, count) => new Promise((resolve, reject) => {
    if (fault) throw fault;
    fail = reject;
    gpu(faces, count).then((shares) => probabilities(shares, count)).then(resolve, reject);
  });
}

const inTime = (classify) => (faces, count) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error("it does not answer")), PATIENCE);
  classify(faces, count).then(resolve, reject).finally(() => clearTimeout(timer));
});

function probabilities(shares, count) {
  const classes = shares.length / count;
  for (let first = 0; first < shares.length; first += classes) {
    const sum = shares.subarray(first, first + classes).reduce((all, share) => all + share, 0);
    if (!(Math.abs(sum - 1) < TOLERANCE)) throw new Error("its answers are no probabilities");
  }
  return shares;
}

// Returns the classifier that uses `gpu` from so many faces on. Should it fail, `cpu` has this and all later ones.
export function withFallback(gpu, cpu, least, failed) {
  let works = true;
  return async (faces, count) => {
    if (!works || count < least) return cpu(faces, count);
    return inTime(gpu)(faces, count).catch((error) => {
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

async function fastest(classify, faces, count, alone) {
  const time = async () => {
    const begun = performance.now();
    await classify(faces, count);
    return performance.now() - begun;
  };
  const times = [];
  for (let run = 0; run < RUNS; run++) times.push(await alone(time));
  return Math.min(...times);
}
