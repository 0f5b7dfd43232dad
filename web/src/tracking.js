// Follows faces from frame to frame and smooths what the network says of them: the port of
// `emotion/inference/tracking.py`, with its numbers in `settings`. Times are in seconds.
import { clamp, round } from "./numbers.js";
import { common } from "./yunet_rows.js";

export class Tracker {
  constructor(settings, smoothing = 0.5) {
    this.settings = settings;
    this.smoothing = smoothing; // seconds; 0 turns it off
    this.tracks = [];
    this.count = 0;
  }

  // Returns where the tracked faces should be at a time.
  expected(time) {
    return this.tracks.map((track) => expect(track, time));
  }

  // Assigns the faces of the next frame to tracks. `classify(faces)` returns the probabilities of each face. Returns
  // { track, face, probabilities, label } for each face found; the label is an index.
  async update(found, classify, time) {
    const matches = match(this.expected(time), found.map((face) => face.box), this.settings.min_overlap);
    const tracks = found.map((_, index) => matches.has(index) ? this.tracks[matches.get(index)] : null);
    const updated = found.map((face, index) => this.follow(tracks[index], face, time));
    const rows = await classify(updated.map((track) => track.face));
    updated.forEach((track, index) => this.blend(track, rows[index], time));
    this.tracks = this.tracks.filter((track) => Math.abs(time - track.lastTime) <= this.settings.max_gap);
    return updated.map(({ number, face, probabilities, label }) => ({ track: number, face, probabilities, label }));
  }

  follow(track, face, time) {
    if (track) {
      this.move(track, face, time);
      return track;
    }
    const [never, still] = [-Infinity, [0, 0]];
    this.tracks.push({
      number: ++this.count, face, probabilities: null, label: 0, lastTime: never, labelTime: never, speed: still,
    });
    return this.tracks.at(-1);
  }

  // Moves a track to where its face was found; its landmarks are smoothed relative to the box.
  move(track, found, time) {
    const elapsed = time - track.lastTime;
    const [here, before] = [centre(found.box), centre(track.face.box)];
    const step = [0, 1].map((axis) => here[axis] - before[axis]);
    if (elapsed > 0) {
      const kept = weightAfter(elapsed, this.settings.speed_smoothing);
      track.speed = track.speed.map((old, axis) => kept * old + (1 - kept) * step[axis] / elapsed);
    }
    const kept = weightAfter(elapsed, Math.min(this.settings.landmark_smoothing, this.smoothing));
    const old = track.face.landmarks;
    const landmarks = found.landmarks.map((point, index) =>
      point.map((place, axis) => kept * (old[index][axis] + step[axis]) + (1 - kept) * place));
    track.face = { box: found.box, landmarks };
  }

  blend(track, row, time) {
    const kept = track.probabilities ? weightAfter(time - track.lastTime, this.smoothing) : 0;
    track.probabilities = Array.from(row, (share, index) =>
      kept * (track.probabilities?.[index] ?? 0) + (1 - kept) * share);
    this.relabel(track, time, this.smoothing > 0 ? this.settings.clear_lead : 0);
    track.lastTime = time;
  }

  // Changes the label if another one leads clearly, or has led for a while.
  relabel(track, time, margin) {
    const { probabilities: shares } = track;
    const best = shares.indexOf(Math.max(...shares));
    const leads = shares[best] - shares[track.label] >= margin;
    if (best === track.label || leads || time - track.labelTime >= this.settings.max_label_delay) {
      track.label = best;
      track.labelTime = time;
    }
  }
}

// Extrapolates a box from its speed, so that two faces that pass each other keep their tracks.
function expect({ face: { box }, speed, lastTime }, time) {
  const elapsed = Math.max(0, time - lastTime);
  const [right, down] = speed.map((each) => round(each * elapsed));
  return { ...box, left: box.left + right, top: box.top + down };
}

const weightAfter = (elapsed, constant) => constant > 0 ? clamp(Math.exp(-elapsed / constant), 0, 1) : 0;

const centre = ({ left, top, width, height }) => [left + width / 2, top + height / 2];

// Pairs found boxes with expected ones, the best overlap first; returns the expected index of each found index.
function match(expected, found, least) {
  const pairs = expected.flatMap((old, i) => found.map((box, j) => ({ share: overlap(old, box), i, j })));
  const matches = new Map();
  const [olds, news] = [new Set(), new Set()];
  pairs.sort((one, other) => other.share - one.share || other.i - one.i || other.j - one.j);
  for (const { share, i, j } of pairs) {
    if (share < least || olds.has(i) || news.has(j)) continue;
    matches.set(j, i);
    olds.add(i);
    news.add(j);
  }
  return matches;
}

function overlap(one, other) {
  const shared = common(one, other);
  return shared / (one.width * one.height + other.width * other.height - shared);
}
