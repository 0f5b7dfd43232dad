import assert from "node:assert/strict";
import { test } from "node:test";
import { shuffle, unshuffle } from "../src/shuffle.js";

test("bytes of one kind stand together", () => {
  assert.deepEqual(shuffle(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)), Uint8Array.of(1, 5, 2, 6, 3, 7, 4, 8, 9));
});

test("unshuffled bytes are those from before", () => {
  for (const length of [0, 3, 4, 1002]) {
    const bytes = Uint8Array.from({ length }, (_, index) => index * 7);
    assert.deepEqual(unshuffle(shuffle(bytes)), bytes);
    assert.deepEqual(unshuffle(shuffle(Buffer.from(bytes))), bytes);
  }
});
