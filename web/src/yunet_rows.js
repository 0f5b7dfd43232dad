// The faces that YuNet finds, moved, scaled, merged and made boxes of, as in `emotion/inference/yunet_rows.py`.
// A row is { left, top, width, height, landmarks: [[x, y] five times], score }.
import { round } from "./numbers.js";

export function zoom(rows, across, down) {
  return rows.map((row) => ({
    ...row,
    left: row.left * across, top: row.top * down, width: row.width * across, height: row.height * down,
    landmarks: row.landmarks.map(([x, y]) => [x * across, y * down]),
  }));
}

export function shift(rows, left, top) {
  return rows.map((row) => ({
    ...row,
    left: row.left + left, top: row.top + top,
    landmarks: row.landmarks.map(([x, y]) => [x + left, y + top]),
  }));
}

export const byScore = (one, other) => other.score - one.score;

// Drops what several searches found of one face, keeping the best score; returns the rest, the largest first.
export function merge(rows, inside) {
  const kept = [];
  for (const row of [...rows].sort(byScore)) {
    if (kept.every((other) => sharedArea(row, other) < inside)) kept.push(row);
  }
  const size = (row) => row.width * row.height;
  return kept.sort((one, other) => size(other) - size(one) || one.top - other.top || one.left - other.left);
}

export const holds = (rows, box, inside) => rows.some((row) => sharedArea(row, box) >= inside);

export function common(one, other) {
  const across = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const down = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  return Math.max(0, across) * Math.max(0, down);
}

const sharedArea = (one, other) =>
  common(one, other) / Math.min(one.width * one.height, other.width * other.height);

export function boxOf(row) {
  const [left, top, width, height] = [row.left, row.top, row.width, row.height].map(round);
  return { left, top, width: Math.max(1, width), height: Math.max(1, height) };
}
