// What `emotion/images.py` asks of Pillow, with Pillow's own rounding: grey, resizing, and cutting along a turned square.
import { clamp } from "./numbers.js";
import { makePicture } from "./opencv.js";

const BITS = 22; // precision of the weights with which Pillow resizes

const FILTERS = {
  box: { support: 0.5, weight: (x) => x > -0.5 && x <= 0.5 ? 1 : 0 },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
};

// ITU-R 601 luma of an RGB picture.
export function toGrey({ data, width, height }) {
  const grey = makePicture(width, height, 1);
  for (let index = 0, from = 0; index < grey.data.length; index++, from += 3) {
    grey.data[index] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
  }
  return grey;
}

// Image.resize of a grey picture; a filter that shrinks is widened (antialiasing).
export function resizeGrey(grey, width, height, name) {
  const across = width === grey.width ? grey : resizeLines(grey, width, FILTERS[name]);
  return height === across.height ? across : transpose(resizeLines(transpose(across), height, FILTERS[name]));
}

function transpose({ data, width, height }) {
  const turned = makePicture(height, width, 1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) turned.data[x * height + y] = data[y * width + x];
  }
  return turned;
}

function resizeLines(grey, width, filter) {
  const parts = weights(grey.width, width, filter);
  const resized = makePicture(width, grey.height, 1);
  for (let y = 0, place = 0; y < grey.height; y++) {
    for (const { first, shares } of parts) {
      let sum = 2 ** (BITS - 1);
      for (let i = 0; i < shares.length; i++) sum += grey.data[y * grey.width + first + i] * shares[i];
      resized.data[place++] = clamp(Math.floor(sum / 2 ** BITS), 0, 255);
    }
  }
  return resized;
}

// For each pixel of the new line: the first of its pixels in the old one, and the weight of each.
function weights(length, size, { support, weight }) {
  const scale = length / size;
  const wide = Math.max(1, scale);
  return Array.from({ length: size }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support * wide + 0.5));
    const last = Math.min(length, Math.trunc(centre + support * wide + 0.5));
    const raw = Array.from({ length: last - first }, (_, i) => weight((i + first - centre + 0.5) * (1 / wide)));
    const total = raw.reduce((sum, share) => sum + share, 0);
    return { first, shares: raw.map((share) => Math.trunc(0.5 + share / total * 2 ** BITS)) };
  });
}

// Image.transform(AFFINE, BILINEAR) of a grey picture to a square; black outside.
export function cutTurned(grey, [a, b, c, d, e, f], edge) {
  const face = makePicture(edge, edge, 1);
  for (let row = 0, place = 0; row < edge; row++) {
    for (let column = 0; column < edge; column++, place++) {
      const [x, y] = [column + 0.5, row + 0.5];
      face.data[place] = between(grey, a * x + b * y + c, d * x + e * y + f);
    }
  }
  return face;
}

function between({ data, width, height }, x, y) {
  if (x < 0 || x >= width || y < 0 || y >= height) return 0;
  const [left, top] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
  const [across, down] = [x - 0.5 - left, y - 0.5 - top];
  const at = (row, column) => data[clamp(row, 0, height - 1) * width + clamp(column, 0, width - 1)];
  const along = (row) => at(row, left) + (at(row, left + 1) - at(row, left)) * across;
  const above = along(top);
  return Math.trunc(above + (along(top + 1) - above) * down);
}
