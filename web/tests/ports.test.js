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

for (const { title, function: name, picture, arguments: given, expected, different } of cases) {
  test(title, () => {
    const [found, wanted] = [functions[name](unpack(picture), ...given), unpack(expected)];
    assert.deepEqual([found.width, found.height, found.channels], [wanted.width, wanted.height, wanted.channels]);
    const count = found.data.reduce((sum, value, index) => sum + (value !== wanted.data[index]), 0);
    assert.ok(count <= different * found.data.length, `${count} of ${found.data.length} values differ`);
  });
}
