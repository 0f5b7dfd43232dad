// From the twelve outputs of YuNet's network to faces, as OpenCV's FaceDetectorYN decodes them.
import { common } from "./yunet_rows.js";

const STRIDES = [8, 16, 32]; // pixels of one cell of each map

// Returns the faces of at least a score; two that overlap by more than a share are one face.
export function decode(outputs, width, least, overlap) {
  const found = STRIDES.flatMap((stride) => decodeMap(outputs, stride, width / stride, least));
  return found.length > 1 ? suppress(found.filter((row) => row.score > least), overlap) : found;
}

function decodeMap(outputs, stride, columns, least) {
  const [classes, objects, boxes, points] = ["cls", "obj", "bbox", "kps"].map((name) => outputs[`${name}_${stride}`]);
  const share = (value) => Math.max(0, Math.min(value, 1));
  const rows = [];
  for (let cell = 0; cell < classes.length; cell++) {
    const score = Math.fround(Math.sqrt(Math.fround(share(classes[cell]) * share(objects[cell]))));
    if (score < least) continue;
    const place = { column: cell % columns, row: Math.floor(cell / columns), stride };
    rows.push(faceOf(place, boxes.subarray(4 * cell, 4 * cell + 4), points.subarray(10 * cell, 10 * cell + 10), score));
  }
  return rows;
}

function faceOf({ column, row, stride }, box, points, score) {
  const [width, height] = [Math.exp(box[2]) * stride, Math.exp(box[3]) * stride];
  const [left, top] = [(column + box[0]) * stride - width / 2, (row + box[1]) * stride - height / 2];
  const landmarks = [0, 2, 4, 6, 8].map((i) => [(column + points[i]) * stride, (row + points[i + 1]) * stride]);
  return { left, top, width, height, landmarks, score };
}

// Non-maximum suppression on boxes of whole pixels.
function suppress(rows, overlap) {
  const kept = [];
  for (const row of [...rows].sort((one, other) => other.score - one.score)) {
    if (kept.every((other) => intersectionOverUnion(whole(row), whole(other)) <= overlap)) kept.push(row);
  }
  return kept;
}

function whole({ left, top, width, height }) {
  return { left: Math.trunc(left), top: Math.trunc(top), width: Math.trunc(width), height: Math.trunc(height) };
}

function intersectionOverUnion(one, other) {
  const shared = common(one, other);
  return shared / (one.width * one.height + other.width * other.height - shared);
}
