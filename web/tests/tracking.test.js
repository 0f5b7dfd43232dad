// The tracker gives the tracks, labels and smoothed probabilities of Python. tests/web/test_tracking_port.py writes the
// cases.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Tracker } from "../src/tracking.js";
import { cases, facts } from "./cases.js";

for (const { title, smoothing, frames } of cases) {
  test(title, async () => {
    const tracker = new Tracker(facts.tracking, smoothing);
    for (const { time, found, rows, expected, answers } of frames) {
      assert.deepEqual(tracker.expected(time), expected);
      const tracked = await tracker.update(found, async () => rows, time);
      assert.deepEqual(tracked.map(({ track }) => track), answers.map(({ track }) => track));
      assert.deepEqual(tracked.map(({ label }) => facts.classes[label]), answers.map(({ label }) => label));
      const differences = tracked.flatMap(({ probabilities }, index) =>
        probabilities.map((share, place) => Math.abs(share - answers[index].shares[place])));
      assert.ok(differences.every((difference) => difference < 1e-9));
    }
  });
}
