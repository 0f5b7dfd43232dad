// A task that is given up neither waits nor keeps others waiting.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tasksOf } from "../src/tasks.js";

class FakeWorker extends EventTarget {
  sent = [];
  terminated = false;
  postMessage({ task }) { this.sent.push(task); }
  terminate() { this.terminated = true; }
  answer(data) { this.dispatchEvent(Object.assign(new Event("message"), { data })); }
}

function started() {
  const worker = new FakeWorker();
  const ends = [];
  return { worker, ends, call: tasksOf(worker, () => ends.push(worker)) };
}

test("tasks are sent one after the other", async () => {
  const { worker, call } = started();
  const [first, second] = [call("one"), call("two")];
  assert.deepEqual(worker.sent, ["one"]);
  worker.answer({ told: { loaded: 1, size: 2 } });
  worker.answer({ error: "no" });
  await assert.rejects(first, { message: "no" });
  assert.deepEqual(worker.sent, ["one", "two"]);
  worker.answer({ result: 5 });
  assert.equal(await second, 5);
});

test("task that is given up while it waits is left out", async () => {
  const { worker, ends, call } = started();
  const control = new AbortController();
  call("one");
  const second = call("two", {}, { signal: control.signal });
  call("three");
  control.abort();
  await assert.rejects(second, { name: "AbortError" });
  worker.answer({ result: null });
  assert.deepEqual(worker.sent, ["one", "three"]);
  assert.deepEqual(ends, []);
});

test("task that is given up while it runs ends the worker and what waits for it", async () => {
  const { worker, ends, call } = started();
  const control = new AbortController();
  const first = call("one", {}, { signal: control.signal });
  const second = call("two");
  control.abort();
  await Promise.all([first, second].map((each) => assert.rejects(each, { name: "AbortError" })));
  assert.ok(worker.terminated);
  assert.equal(ends.length, 1);
  await assert.rejects(call("three"), { message: /Try again/ });
  assert.deepEqual(worker.sent, ["one"]);
});

test("signal that comes after the answer, or before the call, ends nothing", async () => {
  const { worker, ends, call } = started();
  const control = new AbortController();
  const first = call("one", {}, { signal: control.signal });
  worker.answer({ result: 1 });
  control.abort();
  assert.equal(await first, 1);
  await assert.rejects(call("two", {}, { signal: control.signal }), { name: "AbortError" });
  assert.deepEqual(ends, []);
});
