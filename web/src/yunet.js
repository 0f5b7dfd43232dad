// YuNet with all its second looks: the port of `emotion/inference/yunet.py`, which says why each look is there. Its
// numbers come from there too, in `settings`.
import { round } from "./numbers.js";
import { invert, makePicture, resize, rotation, warp } from "./opencv.js";
import { equalizeLocally, range, stretchContrast } from "./light.js";
import { decode } from "./yunet_outputs.js";
import { boxOf, byScore, holds, merge, shift, zoom } from "./yunet_rows.js";

const CELLS = 32; // OpenCV fills a picture up to a multiple of so many pixels

const longerEdge = ({ width, height }) => Math.max(width, height);

export class YuNet {
  // `run(pixels, width, height)` is the network: float32 BGR planes in, its outputs by name out. `smallest` is the
  // height of the smallest face to find, in pixels; null for the default, and for smaller ones without effort.
  constructor(run, settings, smallest = null) {
    this.run = run;
    this.settings = settings;
    this.smallest = smallest ?? settings.smallest;
    this.least = smallest ?? 1;
  }

  // Returns the faces of an RGB picture, { box, landmarks }, from the largest to the smallest.
  async find(rgb) {
    let rows = await this.search(rgb);
    if (!rows.length) rows = await this.searchAgain(rgb);
    const faces = this.merged(rows);
    for (const row of faces) {
      if (row.score < this.settings.upright) row.landmarks = await this.uprightLandmarks(rgb, row);
    }
    return faces.map(faceOf);
  }

  forVideo(smallest) {
    return new YuNetInVideo(new YuNet(this.run, this.settings, smallest));
  }

  // Returns the faces of a video frame; `whole` says whether more is searched than where a face is expected.
  async findInFrame(rgb, expected, whole) {
    const rows = whole ? await this.search(rgb) : [];
    const missed = expected.filter((box) => !this.holds(rows, box));
    for (const box of missed) rows.push(...await this.searchTilted(rgb, box));
    return this.merged(rows).map(faceOf);
  }

  merged(rows) {
    return merge(rows.filter((row) => row.height >= this.least), this.settings.inside);
  }

  holds(rows, box) {
    return holds(rows, box, this.settings.inside);
  }

  async searchTilted(rgb, box) {
    const { close, turns } = this.settings;
    const scale = Math.min(1, close / box.height);
    const rows = await this.searchAround(rgb, box, scale);
    return rows.length ? rows : collect(turns, (angle) => this.searchAround(rgb, box, scale, angle));
  }

  // Returns the landmarks of a face from the turn in which it has the highest score: there it is upright.
  async uprightLandmarks(rgb, row) {
    const { close, all_turns: turns, better } = this.settings;
    const box = boxOf(row);
    const seen = [];
    for (const angle of turns) {
      const look = await this.searchAround(rgb, box, close / box.height, angle);
      seen.push(look.filter((face) => this.holds([face], box)).sort(byScore)[0]);
    }
    const best = seen.filter(Boolean).sort(byScore)[0] ?? row;
    return best.score >= (seen[0]?.score ?? 0) + better ? best.landmarks : row.landmarks;
  }

  async searchAround(rgb, box, scale, angle = 0) {
    const { shortest, around, tile } = this.settings;
    const edge = Math.max(shortest, round(around * Math.max(box.width, box.height)));
    const start = (place, length) => Math.max(0, place + Math.floor((length - edge) / 2));
    const [left, top] = [start(box.left, box.width), start(box.top, box.height)];
    const area = cutOut(rgb, left, top, left + edge, top + edge);
    if (!area) return [];
    const most = Math.min(scale, tile / longerEdge(area));
    return shift(await (angle ? this.detectTurned(area, most, angle) : this.detect(area, most)), left, top);
  }

  // Searches for what was too dark, too bright, in fog, tilted too far or too small, until something is found.
  async searchAgain(rgb) {
    const { enlarged, smallest, tile } = this.settings;
    const small = scaled(rgb, this.scaleOf(rgb));
    const rows = await this.look(small);
    if (rows.length) return zoom(rows, rgb.width / small.width, rgb.height / small.height);
    const larger = Math.min(enlarged * smallest / this.smallest, tile / longerEdge(rgb));
    return larger > this.finest() ? this.searchCloser(rgb, larger) : [];
  }

  async look(rgb) {
    const [low, high] = range(rgb);
    const stretched = low > 0 || high < 255 ? await this.detect(stretchContrast(rgb)) : [];
    if (stretched.length) return stretched;
    const equalized = await this.detect(equalizeLocally(rgb));
    return equalized.length ? equalized : collect(this.settings.turns, (angle) => this.detectTurned(rgb, 1, angle));
  }

  // Searches an enlarged picture, and enlarges further what may be a face.
  async searchCloser(rgb, scale) {
    const { hint, threshold, smallest, most_hints: most, closer } = this.settings;
    const rows = await this.detect(rgb, scale, hint);
    const hints = rows.filter((row) => row.score < threshold && row.height >= smallest / 2).sort(byScore);
    const boxes = hints.slice(0, most).map(boxOf);
    const found = await collect(boxes, (box) => this.searchAround(rgb, box, closer / box.height));
    return [...rows.filter((row) => row.score >= threshold), ...found];
  }

  // Searches the whole picture, then larger versions of it in tiles for the faces that were too small.
  async search(rgb) {
    const { reliable, tile } = this.settings;
    const [scale, finest] = [this.scaleOf(rgb), this.finest()];
    const rows = await this.detect(rgb, scale);
    if (scale >= finest) return rows;
    const parts = tilesOf(rgb, finest, Math.ceil(1.5 * reliable / scale), tile);
    const closer = await collect(parts, async ({ left, top, right, bottom }) =>
      shift(await this.detect(cutOut(rgb, left, top, right, bottom), finest), left, top));
    return [...rows, ...closer];
  }

  scaleOf(rgb) {
    return Math.min(1, this.settings.whole / longerEdge(rgb));
  }

  finest() {
    return Math.min(1, this.settings.reliable / this.smallest);
  }

  // Returns the faces of a picture searched at a scale, in the picture's own pixels.
  async detect(rgb, scale = 1, least = this.settings.threshold) {
    const small = scaled(rgb, scale);
    const [width, height] = [small.width, small.height].map((edge) => filledUp(Math.max(edge, this.settings.shortest)));
    const outputs = await this.run(planes(small, width, height), width, height);
    const rows = decode(outputs, width, least, this.settings.overlap);
    return zoom(rows, rgb.width / small.width, rgb.height / small.height);
  }

  async detectTurned(rgb, scale, angle) {
    const edge = Math.ceil(Math.hypot(rgb.height, rgb.width) * scale);
    const matrix = rotation([rgb.width / 2, rgb.height / 2], angle, scale);
    matrix[2] += edge / 2 - rgb.width / 2;
    matrix[5] += edge / 2 - rgb.height / 2;
    const [a, b, c, d, e, f] = invert(matrix);
    const back = ([x, y]) => [a * x + b * y + c, d * x + e * y + f];
    return (await this.detect(warp(rgb, matrix, edge))).map((row) => {
      const [x, y] = back([row.left + row.width / 2, row.top + row.height / 2]);
      const [width, height] = [row.width / scale, row.height / scale];
      return { ...row, left: x - width / 2, top: y - height / 2, width, height, landmarks: row.landmarks.map(back) };
    });
  }
}

// Searches each of some frames as a whole, and the others around the known faces.
class YuNetInVideo {
  constructor(yunet) {
    this.yunet = yunet;
    this.frames = 0;
  }

  find(rgb, expected) {
    const { every, most_areas: most } = this.yunet.settings;
    return this.yunet.findInFrame(rgb, expected, this.frames++ % every === 0 || expected.length > most);
  }
}

const faceOf = (row) => ({ box: boxOf(row), landmarks: row.landmarks });

async function collect(items, search) {
  const rows = [];
  for (const item of items) rows.push(...await search(item));
  return rows;
}

function scaled(rgb, scale) {
  const [width, height] = [rgb.width, rgb.height].map((edge) => Math.max(1, round(edge * scale)));
  return resize(rgb, width, height);
}

const filledUp = (edge) => Math.ceil(edge / CELLS) * CELLS;

// Returns the planes of blue, green and red, filled up with black to the right and below.
function planes(rgb, width, height) {
  const values = new Float32Array(3 * width * height);
  for (let y = 0, from = 0; y < rgb.height; y++) {
    for (let x = 0, to = y * width; x < rgb.width; x++, to++, from += 3) {
      values[to] = rgb.data[from + 2];
      values[to + width * height] = rgb.data[from + 1];
      values[to + 2 * width * height] = rgb.data[from];
    }
  }
  return values;
}

// Returns a part of a picture, as far as it lies inside; null if nothing does.
function cutOut(rgb, left, top, right, bottom) {
  const [width, height] = [Math.min(right, rgb.width) - left, Math.min(bottom, rgb.height) - top];
  if (width <= 0 || height <= 0) return null;
  const part = makePicture(width, height, rgb.channels);
  const length = width * rgb.channels;
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * rgb.width + left) * rgb.channels;
    part.data.set(rgb.data.subarray(start, start + length), y * length);
  }
  return part;
}

// Divides a picture into tiles that overlap by the largest face to find in them.
function tilesOf(rgb, scale, largest, tile) {
  const edge = Math.max(round(tile / scale), 2 * largest);
  const [tops, lefts] = [rgb.height, rgb.width].map((length) => starts(length, edge, largest));
  return tops.flatMap((top) => lefts.map((left) => ({ left, top, right: left + edge, bottom: top + edge })));
}

function starts(length, edge, overlap) {
  const count = Math.max(1, Math.ceil((length - overlap) / (edge - overlap)));
  return Array.from({ length: count }, (_, index) => round(index * Math.max(0, length - edge) / Math.max(1, count - 1)));
}
