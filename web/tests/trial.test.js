// A graphics processor classifies only where it agrees with the processor and is faster, and only while it works.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tryOut, withFallback } from "../src/trial.js";

const EDGE = 4;
const FACES = new Uint8Array(40 * EDGE ** 2);

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
  assert.equal(await tryOut(classifier(2, 1), classifier(0, 20), EDGE), 1);
});

test("graphics processor that is slow to start has groups only", async (t) => {
  const classifier = clocked(t);
  assert.equal(await tryOut(classifier(30, 1), classifier(0, 20), EDGE), 16);
});

test("slower graphics processor has no face, unless it is always wanted", async (t) => {
  const classifier = clocked(t);
  assert.equal(await tryOut(classifier(0, 40), classifier(0, 20), EDGE), Infinity);
  assert.equal(await tryOut(classifier(0, 40), classifier(0, 20), EDGE, true), 1);
});

for (const share of [0.502, NaN]) {
  test(`graphics processor that answers ${share} instead of 0.5 is refused`, async (t) => {
    const classifier = clocked(t);
    await assert.rejects(tryOut(classifier(0, 1, share), classifier(0, 20), EDGE, true), /other probabilities/);
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
