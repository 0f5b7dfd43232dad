// The ports of OpenCV's and Pillow's functions give their pixels. tests/web/test_ports.py writes the cases.
import assert from "node:assert/strict";
import { test } from "node:test";
import { alignFace, toFace } from "../src/alignment.js";
import { equalize, equalizeLocally, stretchContrast } from "../src/light.js";
import { resize, warp } from "../src/opencv.js";
import { resizeGrey, toGrey } from "../src/pillow.js";
import { cases, facts, unpack } from "./cases.js";

const align = (grey, places) => alignFace(grey, places, facts.face);
const functions = { alignFace: align, equalize, equalizeLocally, resize, resizeGrey, stretchContrast, toFace, toGrey, warp };

for (const { title, function: name, picture, arguments: given, expected, tolerance } of cases) {
  test(title, () => {
    const [found, wanted] = [functions[name](unpack(picture), ...given), unpack(expected)];
    assert.deepEqual([found.width, found.height, found.channels], [wanted.width, wanted.height, wanted.channels]);
    const differences = found.data.map((value, index) => Math.abs(value - wanted.data[index]));
    const worst = differences.reduce((most, value) => Math.max(most, value), 0);
    assert.ok(worst <= tolerance, `differs by ${worst} in ${differences.filter(Boolean).length} of ${differences.length}`);
  });
}
