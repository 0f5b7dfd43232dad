// From a grey picture to the network's input, as `emotion/images.py` and `emotion/inference/detection.py` make it.
import { clamp, mean, round, sum } from "./numbers.js";
import { invert, makePicture } from "./opencv.js";
import { cutTurned, resizeGrey } from "./pillow.js";

// Returns the crop of one face, a grey square. `template` has `face_size`, `landmarks` and `least_resemblance`.
export function cropFace(grey, { box, landmarks }, template) {
  const level = correlation(landmarks, template.landmarks) >= template.least_resemblance;
  return level ? alignFace(grey, landmarks, template) : toFace(cut(grey, square(box)), template.face_size);
}

export function toFace(grey, edge) {
  return resizeGrey(grey, edge, edge, "bilinear");
}

export function alignFace(grey, landmarks, { landmarks: places, face_size: edge }) {
  const toPlace = fitSimilarity(landmarks, places);
  const toPicture = invert(toPlace);
  const scale = Math.min(1, Math.hypot(toPlace[0], toPlace[3]));
  const area = areaAround(toPicture, edge, 2 / scale);
  const region = cut(grey, area);
  const [width, height] = [region.width, region.height].map((length) => Math.max(1, round(length * scale)));
  const [across, down] = [width / region.width, height / region.height];
  const [a, b, c, d, e, f] = toPicture;
  const matrix = [a, b, c - area.left].map((value) => value * across);
  matrix.push(...[d, e, f - area.top].map((value) => value * down));
  return cutTurned(resizeGrey(region, width, height, "box"), matrix, edge);
}

// Returns how well a turn, a scale and a shift can bring points to targets, 0-1.
export function correlation(points, targets) {
  const spread = Math.sqrt(spreadOf(points) * spreadOf(targets));
  return Math.hypot(...products(points, targets)) / Math.max(spread, 1e-9);
}

// Umeyama 1991, without a mirror image.
function fitSimilarity(points, targets) {
  const [[x, y], [toX, toY]] = [centreOf(points), centreOf(targets)];
  const [along, across] = products(points, targets).map((product) => product / spreadOf(points));
  return [along, -across, toX - along * x + across * y, across, along, toY - across * x - along * y];
}

const centreOf = (points) => [0, 1].map((axis) => mean(points.map((point) => point[axis])));

function centred(points) {
  const [x, y] = centreOf(points);
  return points.map((point) => [point[0] - x, point[1] - y]);
}

const spreadOf = (points) => sum(centred(points).map(([x, y]) => x * x + y * y));

function products(points, targets) {
  const [p, q] = [centred(points), centred(targets)];
  return [
    sum(p.map(([x, y], index) => x * q[index][0] + y * q[index][1])),
    sum(p.map(([x, y], index) => x * q[index][1] - y * q[index][0])),
  ];
}

// Returns the upright rectangle around a turned face.
function areaAround([a, b, c, d, e, f], edge, margin) {
  const corners = [[0, 0], [0, edge], [edge, 0], [edge, edge]];
  const [xs, ys] = [corners.map(([x, y]) => a * x + b * y + c), corners.map(([x, y]) => d * x + e * y + f)];
  const [left, top] = [xs, ys].map((values) => Math.floor(Math.min(...values) - margin));
  const [right, bottom] = [xs, ys].map((values) => Math.ceil(Math.max(...values) + margin));
  return { left, top, width: right - left, height: bottom - top };
}

function square({ left, top, width, height }) {
  const edge = Math.max(width, height);
  const start = (place, length) => place - Math.floor((edge - length) / 2);
  return { left: start(left, width), top: start(top, height), width: edge, height: edge };
}

// Cuts an area out; outside the picture its edge pixels are repeated.
function cut(grey, { left, top, width, height }) {
  const part = makePicture(width, height, 1);
  for (let y = 0, place = 0; y < height; y++) {
    const row = clamp(top + y, 0, grey.height - 1) * grey.width;
    for (let x = 0; x < width; x++) part.data[place++] = grey.data[row + clamp(left + x, 0, grey.width - 1)];
  }
  return part;
}
