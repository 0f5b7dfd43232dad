// Finds places for labels and marks, so that they cover no other face. Knows rectangles, not faces.
const GAP = 4; // CSS pixels between a face and its tooltip
const TOUCH = 0.5; // CSS pixels by which areas may overlap: those that touch do, once they are scaled

function overlap(one, other) {
  const across = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const down = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  return Math.max(0, across - TOUCH) * Math.max(0, down - TOUCH);
}

const covered = (area, others) => others.reduce((sum, other) => sum + overlap(area, other), 0);

function shiftInside({ left, top, width, height }, bounds) {
  const shift = (start, length, end) => Math.max(0, Math.min(start, end - length));
  return { left: shift(left, width, bounds.width), top: shift(top, height, bounds.height), width, height };
}

// Returns the first of the corners, each [left, top], at which an area covers neither a face nor what is taken. If
// there is none, returns the area that covers least of them; faces count more.
function place(corners, size, bounds, faces, taken) {
  const areas = corners.map(([left, top]) => shiftInside({ left, top, ...size }, bounds));
  const costs = areas.map((area) => 100 * covered(area, faces) + covered(area, taken));
  return areas[costs.indexOf(Math.min(...costs))];
}

// A label stands outside its own box if it can, otherwise along the inside of its edge. Where it would still cover
// another face, it shrinks until it fits into its own box.
export function placeLabel(own, size, bounds, faces, taken) {
  const { left, top } = own;
  const [right, bottom] = [left + own.width - size.width, top + own.height - size.height];
  const above = [[left, top - size.height], [right, top - size.height]];
  const below = [[left, top + own.height], [right, top + own.height]];
  const beside = [[left + own.width, top], [left - size.width, top]];
  const outside = [
    ...[...above, ...below].filter(([, y]) => y >= 0 && y + size.height <= bounds.height),
    ...beside.filter(([x]) => x >= 0 && x + size.width <= bounds.width),
  ];
  const best = place([...outside, [left, top], [left, bottom]], size, bounds, faces, taken);
  return covered(best, faces) ? shrunk(own, size, faces) : best;
}

function shrunk(own, size, faces) {
  const share = Math.min(1, own.width / size.width, own.height / size.height);
  const [width, height] = [size.width * share, size.height * share];
  const places = [own.top, own.top + own.height - height].map((top) => ({ left: own.left, top, width, height }));
  return covered(places[0], faces) <= covered(places[1], faces) ? places[0] : places[1];
}

// A mark stands on a corner of a large face. On a small one it would hide too much, so it stands beside it.
export function placeMark(own, edge, bounds, faces, taken) {
  const [left, centre, right] = [0, own.width / 2, own.width].map((step) => own.left + step);
  const [top, middle, bottom] = [0, own.height / 2, own.height].map((step) => own.top + step);
  const half = edge / 2;
  const corners = [[left, top], [right, top], [left, bottom], [right, bottom]];
  const beside = [
    [centre, top - half], [centre, bottom + half], [right + half, middle], [left - half, middle],
    [right + half, top - half], [left - half, top - half],
  ];
  const inside = [top + half, bottom - half].flatMap((y) => [[left + half, y], [right - half, y]]);
  const order = own.width > 3 * edge ? [...corners, ...beside] : [...beside, ...corners];
  const places = [...order, ...inside].map(([x, y]) => [x - half, y - half]);
  return place(places, { width: edge, height: edge }, bounds, faces, taken);
}

// The tooltip stands beside its own face and mark, which a person has just pointed at.
export function placeTip(parts, size, bounds, faces, taken) {
  const left = Math.min(...parts.map((part) => part.left)) - GAP;
  const top = Math.min(...parts.map((part) => part.top)) - GAP;
  const right = Math.max(...parts.map((part) => part.left + part.width)) + GAP;
  const bottom = Math.max(...parts.map((part) => part.top + part.height)) + GAP;
  const lefts = [(left + right - size.width) / 2, left, right - size.width];
  const corners = [
    ...lefts.map((x) => [x, top - size.height]), ...lefts.map((x) => [x, bottom]),
    [right, top], [left - size.width, top], [right, bottom - size.height], [left - size.width, bottom - size.height],
  ];
  return place(corners, size, bounds, [...faces, parts[0]], taken);
}
