// Shuffles the bytes of float32 numbers, as HDF5's filter of that name does: all first bytes, then all second ones, and
// so on. Bytes of one kind are alike, so gzip packs them better. What is left at the end stays where it is.
const WIDTH = 4;

export const shuffle = (bytes) => reorder(bytes, (mixed, plain, from, to) => { mixed[to] = plain[from]; });
export const unshuffle = (bytes) => reorder(bytes, (plain, mixed, to, from) => { plain[to] = mixed[from]; });

function reorder(given, move) {
  const result = new Uint8Array(given); // a copy, which slice() of node's buffers is not
  const count = Math.floor(given.length / WIDTH);
  for (let index = 0; index < count; index++) {
    for (let byte = 0; byte < WIDTH; byte++) move(result, given, index * WIDTH + byte, byte * count + index);
  }
  return result;
}
