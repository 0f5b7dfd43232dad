// Other light for a picture without a face: its levels spread, or equalized part by part as OpenCV's CLAHE does.
import { clamp, round } from "./numbers.js";
import { makePicture } from "./opencv.js";

const LIMIT = 4; // how far CLAHE raises contrast
const TILES = 8; // parts in each direction
const WHITE = [0.950456, 1, 1.088754]; // D65
const LINEAR = 255 * 8; // white, before the cube root
const ROOT = 2 ** 15; // white, after it
const BASE = 2 ** 14; // white, after it, on the way back
const BLACK = Math.trunc((16 * 255 * ROOT + 50) / 100);
const TO_XYZ = [
  [0.412453, 0.357580, 0.180423],
  [0.212671, 0.715160, 0.072169],
  [0.019334, 0.119193, 0.950227],
];
const TO_RGB = [
  [3.240479, -1.53715, -0.498535],
  [-0.969256, 1.875991, 0.041556],
  [0.055648, -0.204043, 1.057311],
];

export function range({ data }) {
  let [least, most] = [255, 0];
  for (const value of data) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

export function stretchContrast(picture) {
  const [low, high] = range(picture);
  const factor = 255 / Math.max(1, high - low);
  const table = Uint8Array.from({ length: 256 }, (_, level) => Math.trunc(clamp((level - low) * factor, 0, 255)));
  return { ...picture, data: picture.data.map((level) => table[level]) };
}

// Equalizes the lightness (L of CIELAB) of an RGB picture.
export function equalizeLocally(rgb) {
  const lightness = makePicture(rgb.width, rgb.height, 1);
  const opposed = new Uint8Array(2 * lightness.data.length); // a and b
  toLab(rgb.data, lightness.data, opposed);
  return fromLab(equalize(lightness), opposed);
}

// CIELAB in whole numbers, with the tables and the rounding of OpenCV's color_lab.cpp.
const expand = (share) => share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
const compress = (share) => share <= 0.0031308 ? share * 12.92 : 1.055 * share ** (1 / 2.4) - 0.055;
const root = (share) => share < 0.008856 ? 7.787 * share + 16 / 116 : Math.cbrt(share);
const tableOfWhole = (length, entry) => Int32Array.from({ length }, (_, place) => round(entry(place)));

const linear = tableOfWhole(256, (level) => LINEAR * expand(level / 255));
const roots = tableOfWhole(1.5 * LINEAR, (level) => ROOT * root(level / LINEAR));
const toRoots = TO_XYZ.map((row, axis) => row.map((share) => round(4096 * share / WHITE[axis])));
const rootOfLight = (light) => light <= 20 ? 16 / 116 + light * 5 / (3 * 17 * 29) : (light * 100 / 255 + 16) / 116;
const lightRoots = tableOfWhole(256, (light) => BASE * rootOfLight(light));
const lights = tableOfWhole(256, (light) => BASE * (light <= 20 ? light * 180 / (17 * 24389) : rootOfLight(light) ** 3));
const toLevels = TO_RGB.map((row) => row.map((share, axis) => round(4096 * share * WHITE[axis])));
const levels = tableOfWhole(4096, (place) => 255 * compress(place / 4096));

function toLab(rgb, lightness, opposed) {
  const rooted = ([one, two, three], red, green, blue) => roots[(red * one + green * two + blue * three + 2048) >> 12];
  for (let index = 0; index < lightness.length; index++) {
    const [red, green, blue] = [linear[rgb[3 * index]], linear[rgb[3 * index + 1]], linear[rgb[3 * index + 2]]];
    const x = rooted(toRoots[0], red, green, blue);
    const y = rooted(toRoots[1], red, green, blue);
    const z = rooted(toRoots[2], red, green, blue);
    lightness[index] = clamp((296 * y - BLACK) / ROOT + 0.5, 0, 255);
    opposed[2 * index] = Math.floor(500 * (x - y) / ROOT + 128.5);
    opposed[2 * index + 1] = Math.floor(200 * (y - z) / ROOT + 128.5);
  }
}

function fromLab(lightness, opposed) {
  const rgb = makePicture(lightness.width, lightness.height, 3);
  for (let index = 0; index < lightness.data.length; index++) {
    const light = lightness.data[index];
    const x = cubed(lightRoots[light] + ((5 * opposed[2 * index] * 53687 + 128) >> 13) - 4194);
    const z = cubed(lightRoots[light] - ((opposed[2 * index + 1] * 41943 + 16) >> 9) + 10484);
    for (let channel = 0; channel < 3; channel++) {
      const [one, two, three] = toLevels[channel];
      const place = (one * x + two * lights[light] + three * z + 8192) >> 14;
      rgb.data[3 * index + channel] = levels[clamp(place, 0, 4095)];
    }
  }
  return rgb;
}

function cubed(value) {
  if (value <= 3390) return Math.trunc(value * 108 / 841) - 290;
  return Math.trunc(Math.trunc(value * value / BASE) * value / BASE);
}

// CLAHE (Zuiderveld 1994) with the rounding of OpenCV: a table for each tile, mixed between their centres.
export function equalize(grey) {
  const [width, height] = tileSize(grey);
  const tables = Array.from({ length: TILES * TILES }, (_, tile) =>
    tableOf(grey, (tile % TILES) * width, Math.floor(tile / TILES) * height, width, height));
  const result = makePicture(grey.width, grey.height, 1);
  const columns = centres(grey.width, width);
  centres(grey.height, height).forEach((row, y) => {
    const [above, below] = [row.first, row.second].map((tile) => tables.slice(tile * TILES, (tile + 1) * TILES));
    for (let x = 0, place = y * grey.width; x < grey.width; x++, place++) {
      const { first, second, rest } = columns[x];
      const level = grey.data[place];
      const upper = mix(above[first][level], above[second][level], rest);
      const lower = mix(below[first][level], below[second][level], rest);
      result.data[place] = round(mix(upper, lower, row.rest));
    }
  });
  return result;
}

// In the precision of OpenCV, float32.
const mix = (one, other, rest) =>
  Math.fround(Math.fround(one * Math.fround(1 - rest)) + Math.fround(other * rest));

// Where either edge cannot be divided, OpenCV enlarges both.
function tileSize({ width, height }) {
  const divisible = width % TILES === 0 && height % TILES === 0;
  return [width, height].map((edge) => divisible ? edge / TILES : Math.floor(edge / TILES) + 1);
}

function centres(length, edge) {
  const share = Math.fround(1 / edge);
  return Array.from({ length }, (_, place) => {
    const position = Math.fround(Math.fround(place * share) - 0.5);
    const first = Math.floor(position);
    return { first: Math.max(first, 0), second: Math.min(first + 1, TILES - 1), rest: position - first };
  });
}

function tableOf(grey, left, top, width, height) {
  const counts = new Int32Array(256);
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) {
      counts[grey.data[mirrored(y, grey.height) * grey.width + mirrored(x, grey.width)]]++;
    }
  }
  cut(counts, Math.max(1, Math.trunc(LIMIT * width * height / 256)));
  const share = Math.fround(255 / (width * height));
  let sum = 0;
  return counts.map((count) => round(Math.fround((sum += count) * share)));
}

function mirrored(place, length) {
  const over = place - (length - 1);
  return over > 0 ? Math.max(0, length - 1 - over) : place;
}

// Gives what is above the limit to all levels alike.
function cut(counts, limit) {
  let above = 0;
  counts.forEach((count, level) => {
    above += Math.max(0, count - limit);
    counts[level] = Math.min(count, limit);
  });
  const share = Math.trunc(above / 256);
  let rest = above - share * 256;
  const step = Math.max(1, Math.trunc(256 / rest));
  for (let level = 0; level < 256; level++) counts[level] += share;
  for (let level = 0; level < 256 && rest > 0; level += step, rest--) counts[level]++;
}
