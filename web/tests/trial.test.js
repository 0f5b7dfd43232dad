// A graphics processor classifies only where it agrees with the processor and is faster, and only while it works.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tryOut, watched, withFallback } from "../src/trial.js";
import { turns } from "../src/turns.js";

const EDGE = 4;
const FACES = new Uint8Array(40 * EDGE ** 2);

const atOnce = (job) => job();
const never = new Promise(() => {});

// A clock that only classifiers move on: each takes `start` and then `each` for every face.
function clocked(t) {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  return (start, each, share = 0.5) => async (faces, count) => {
    assert.equal(faces.length, count * EDGE ** 2);
    now += start + each * count;
    return new Float32Array(2 * count).fill(share);
  };
}

test("graphics processor that is faster has every face", async (t) => {
  const classifier = clocked(t);
  assert.equal(await tryOut(classifier(2, 1), classifier(0, 20), EDGE, atOnce), 1);
});

test("graphics processor that is slow to start has groups only", async (t) => {
  const classifier = clocked(t);
  assert.equal(await tryOut(classifier(30, 1), classifier(0, 20), EDGE, atOnce), 16);
});

test("slower graphics processor has no face, unless it is always wanted", async (t) => {
  const classifier = clocked(t);
  assert.equal(await tryOut(classifier(0, 40), classifier(0, 20), EDGE, atOnce), Infinity);
  assert.equal(await tryOut(classifier(0, 40), classifier(0, 20), EDGE, atOnce, true), 1);
});

for (const share of [0.502, NaN]) {
  test(`graphics processor that answers ${share} instead of 0.5 is refused`, async (t) => {
    const classifier = clocked(t);
    await assert.rejects(tryOut(classifier(0, 1, share), classifier(0, 20), EDGE, atOnce, true), /other probabilities/);
  });
}

test("processor has what is too few for the graphics processor", async (t) => {
  const classifier = clocked(t);
  const classify = withFallback(classifier(0, 1, 0.25), classifier(0, 1), 16, assert.fail);
  assert.equal((await classify(FACES.subarray(0, 15 * EDGE ** 2), 15))[0], 0.5);
  assert.equal((await classify(FACES.subarray(0, 16 * EDGE ** 2), 16))[0], 0.25);
});

test("processor has this and all later faces once the graphics processor fails", async (t) => {
  const classifier = clocked(t);
  let calls = 0;
  const lost = async () => {
    calls++;
    throw new Error("device lost");
  };
  const told = [];
  const classify = withFallback(lost, classifier(0, 1), 1, (error) => told.push(error.message));
  for (let time = 0; time < 2; time++) assert.equal((await classify(FACES, 40))[0], 0.5);
  assert.deepEqual(told, ["device lost"]);
  assert.equal(calls, 1);
});

test("graphics processor that is right for many faces and wrong for one is refused", async (t) => {
  const [right, wrong] = [clocked(t)(0, 1), clocked(t)(0, 1, 0.25)];
  const gpu = (faces, count) => (count === 1 ? wrong : right)(faces, count);
  await assert.rejects(tryOut(gpu, clocked(t)(0, 20), EDGE, atOnce, true), /other probabilities/);
});

test("what the page does during the trial counts as time of neither processor", async (t) => {
  const classifier = clocked(t);
  let waits = 0;
  const alone = async (job) => {
    await classifier(1000 / ++waits, 0)(FACES, 40); // a photo
    return job();
  };
  assert.equal(await tryOut(classifier(2, 1), classifier(0, 20), EDGE, alone), 1);
});

test("processor is used in the trial only while no task is at work", async (t) => {
  let working = 0;
  const alone = (job) => {
    working++;
    return job().finally(() => working--);
  };
  const classify = clocked(t)(0, 1);
  const cpu = (faces, count) => {
    assert.equal(working, 1);
    return classify(faces, count);
  };
  assert.equal(await tryOut(classify, cpu, EDGE, alone), Infinity);
});

test("job runs after the one before it, although that one failed", async () => {
  const inTurn = turns();
  const done = [];
  const first = inTurn(async () => {
    await Promise.resolve();
    done.push("first");
    throw new Error("no");
  });
  await inTurn(async () => done.push("second"));
  await assert.rejects(first, { message: "no" });
  assert.deepEqual(done, ["first", "second"]);
});

test("run that does not end fails when its device is lost, and so does each later one", async () => {
  let lose = null;
  const gpu = watched(() => never, new Promise((resolve) => { lose = resolve; }));
  const run = gpu(FACES, 40);
  lose({ message: "reset" });
  await assert.rejects(run, /the device was lost: reset/);
  await assert.rejects(gpu(FACES, 40), /the device was lost: reset/);
});

test("processor has the faces to which the graphics processor gives no answer for a minute", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told = [];
  const classify = withFallback(() => never, clocked(t)(0, 1), 1, (error) => told.push(error.message));
  const run = classify(FACES, 40);
  t.mock.timers.tick(60_000);
  assert.equal((await run)[0], 0.5);
  assert.deepEqual(told, ["it does not answer"]);
});

for (const share of [0, NaN]) {
  test(`run whose answers are all ${share} fails`, async (t) => {
    const gpu = watched(clocked(t)(0, 1, share), never);
    await assert.rejects(gpu(FACES, 40), /no probabilities/);
  });
}

test("answers of a run that works are those of the graphics processor", async (t) => {
  assert.deepEqual(await watched(clocked(t)(0, 1), never)(FACES, 40), new Float32Array(80).fill(0.5));
});
