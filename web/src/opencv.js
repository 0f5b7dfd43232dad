// What `emotion/inference` asks of OpenCV, with OpenCV's own rounding: resizing, turning and spreading of light.
// A picture is { data, width, height, channels }, its bytes row by row.
import { clamp, round } from "./numbers.js";

const COEFFICIENT = 2048; // resizing: weights are whole numbers of this unit
const POSITION = 1024; // turning: positions are whole numbers of this unit
const SUBPIXELS = 32; // turning: places between two pixels

export function makePicture(width, height, channels) {
  return { data: new Uint8Array(width * height * channels), width, height, channels };
}

// cv2.resize: by the mean of areas when it shrinks (INTER_AREA), otherwise linearly (INTER_LINEAR).
export function resize(picture, width, height) {
  if (width === picture.width && height === picture.height) return picture;
  if (width > picture.width || height > picture.height) return resizeLinearly(picture, width, height);
  const [across, down] = [picture.width / width, picture.height / height];
  const whole = Number.isInteger(across) && Number.isInteger(down);
  return whole ? shrinkByBlocks(picture, across, down) : shrink(picture, width, height);
}

function shrinkByBlocks(picture, across, down) {
  const { width, channels, data } = picture;
  const small = makePicture(width / across, picture.height / down, channels);
  const share = Math.fround(1 / (across * down));
  const mean = across === 2 && down === 2 ? (sum) => (sum + 2) >> 2 : (sum) => round(Math.fround(sum * share));
  let place = 0;
  for (let y = 0; y < small.height; y++) {
    for (let x = 0; x < small.width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let j = 0; j < down; j++) {
          let from = ((y * down + j) * width + x * across) * channels + channel;
          for (let i = 0; i < across; i++, from += channels) sum += data[from];
        }
        small.data[place++] = mean(sum);
      }
    }
  }
  return small;
}

// Which pixels of a line make up each pixel of a shorter one, and with which weights.
function areas(length, size) {
  const scale = length / size;
  const parts = [];
  for (let to = 0; to < size; to++) {
    const start = to * scale;
    const cell = Math.min(scale, length - start);
    const last = Math.min(Math.floor(start + scale), length - 1);
    const first = Math.min(Math.ceil(start), last);
    const add = (from, share) => parts.push({ to, from, weight: Math.fround(share / cell) });
    if (first - start > 1e-3) add(first - 1, first - start);
    for (let from = first; from < last; from++) add(from, 1);
    if (start + scale - last > 1e-3) add(last, Math.min(start + scale - last, 1, cell));
  }
  return parts;
}

function shrink(picture, width, height) {
  const { channels } = picture;
  const small = makePicture(width, height, channels);
  const columns = areas(picture.width, width);
  const [line, total] = [new Float32Array(width * channels), new Float32Array(width * channels)];
  const write = (row) => total.forEach((value, index) => { small.data[row * total.length + index] = round(value); });
  let row = 0;
  for (const { to, from, weight } of areas(picture.height, height)) {
    if (to !== row) {
      write(row);
      total.fill(0);
      row = to;
    }
    shrinkLine(picture, from, columns, line);
    for (let index = 0; index < total.length; index++) total[index] += weight * line[index];
  }
  write(row);
  return small;
}

function shrinkLine({ data, width, channels }, row, columns, line) {
  line.fill(0);
  const start = row * width * channels;
  for (const { to, from, weight } of columns) {
    for (let channel = 0; channel < channels; channel++) {
      line[to * channels + channel] += data[start + from * channels + channel] * weight;
    }
  }
}

// For each pixel of a line: its two neighbours in the other line, and the weight of each.
function neighbours(length, size) {
  const scale = length / size;
  return Array.from({ length: size }, (_, to) => {
    const place = Math.fround((to + 0.5) * scale - 0.5);
    const before = Math.floor(place);
    const rest = Math.fround(place - before);
    const weights = [1 - rest, rest].map((share) => round(Math.fround(share) * COEFFICIENT));
    const [first, second] = [before, before + 1].map((index) => clamp(index, 0, length - 1));
    return { first, second, weights };
  });
}

function resizeLinearly(picture, width, height) {
  const { channels } = picture;
  const large = makePicture(width, height, channels);
  const columns = neighbours(picture.width, width);
  const lines = Array.from({ length: picture.height }, (_, row) => stretchLine(picture, row, columns));
  neighbours(picture.height, height).forEach(({ first, second, weights: [above, below] }, row) => {
    const [one, two] = [lines[first], lines[second]];
    for (let index = 0; index < one.length; index++) {
      const value = ((above * (one[index] >> 4)) >> 16) + ((below * (two[index] >> 4)) >> 16);
      large.data[row * one.length + index] = (value + 2) >> 2;
    }
  });
  return large;
}

function stretchLine({ data, width, channels }, row, columns) {
  const line = new Int32Array(columns.length * channels);
  const start = row * width * channels;
  columns.forEach(({ first, second, weights: [left, right] }, to) => {
    for (let channel = 0; channel < channels; channel++) {
      const [one, two] = [start + first * channels + channel, start + second * channels + channel];
      line[to * channels + channel] = data[one] * left + data[two] * right;
    }
  });
  return line;
}

// cv2.getRotationMatrix2D: [a, b, c, d, e, f] for x' = a x + b y + c and y' = d x + e y + f.
export function rotation([x, y], degrees, scale) {
  const angle = degrees * Math.PI / 180;
  const [along, across] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  return [along, across, (1 - along) * x - across * y, -across, along, across * x + (1 - along) * y];
}

export function invert([a, b, c, d, e, f]) {
  const share = 1 / (a * e - b * d);
  const [p, q, r, s] = [e * share, -b * share, -d * share, a * share];
  return [p, q, -p * c - q * f, r, s, -r * c - s * f];
}

// cv2.warpAffine to a square, linearly, with the edge pixels repeated outside.
export function warp(picture, matrix, edge) {
  const turned = makePicture(edge, edge, picture.channels);
  const [a, b, c, d, e, f] = invert(matrix);
  const steps = (factor) => Int32Array.from({ length: edge }, (_, x) => round(factor * x * POSITION));
  const [right, down] = [steps(a), steps(d)];
  const half = POSITION / SUBPIXELS / 2;
  for (let y = 0, place = 0; y < edge; y++) {
    const left = round((b * y + c) * POSITION) + half;
    const top = round((e * y + f) * POSITION) + half;
    for (let x = 0; x < edge; x++, place += picture.channels) {
      mixFour(picture, (left + right[x]) >> 5, (top + down[x]) >> 5, turned.data, place);
    }
  }
  return turned;
}

// Mixes the four pixels around a place, which is given in subpixels.
function mixFour({ data, width, height, channels }, x, y, target, place) {
  const [i, j] = [x & 31, y & 31];
  const [column, row] = [x >> 5, y >> 5];
  const left = clamp(column, 0, width - 1) * channels;
  const right = clamp(column + 1, 0, width - 1) * channels;
  const top = clamp(row, 0, height - 1) * width * channels;
  const bottom = clamp(row + 1, 0, height - 1) * width * channels;
  for (let channel = 0; channel < channels; channel++) {
    const above = (32 - i) * data[top + left + channel] + i * data[top + right + channel];
    const below = (32 - i) * data[bottom + left + channel] + i * data[bottom + right + channel];
    target[place + channel] = ((32 - j) * above + j * below + 512) >> 10;
  }
}
