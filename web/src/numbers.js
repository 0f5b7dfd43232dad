// Rounding as Python and OpenCV do it, and small sums.

// Rounds to a whole number; halves go to the even neighbour.
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

export const clamp = (value, least, most) => Math.max(least, Math.min(value, most));

// Rounds to seven digits, the precision of float32, as `emotion/inference/formats.py` does.
export const shorten = (value) => Number(value.toPrecision(7));

export const sum = (values) => values.reduce((total, value) => total + value, 0);

export const mean = (values) => sum(values) / values.length;
