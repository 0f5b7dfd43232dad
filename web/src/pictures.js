// From files and camera frames to RGB pixels, as Pillow reads them: upright, without colour management, on white.
import { makePicture } from "./opencv.js";

const AS_STORED = { imageOrientation: "from-image", colorSpaceConversion: "none" };
const READABLE = /^(\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP)/s; // the first bytes of what every browser reads

export async function readPicture(file, { pixels: most }) {
  const bitmap = await decode(file);
  if (bitmap.width * bitmap.height > most) {
    throw new Error(`Choose an image of at most ${most / 1e6} megapixels; this one has ${bitmap.width}x${bitmap.height} pixels.`);
  }
  return pixelsOf(bitmap);
}

async function decode(file) {
  try {
    return await createImageBitmap(file, AS_STORED);
  } catch {
    throw new Error(`${file.name} ${await faultOf(file)}`);
  }
}

async function faultOf(file) {
  if (!file.size) return "is empty.";
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (READABLE.test(start)) return "is damaged or too large for this browser.";
  return "is not a picture that this browser can read; save it as JPEG or PNG.";
}

// Returns the pixels of a bitmap, and closes it.
export function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const drawing = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  drawing.fillStyle = "white";
  drawing.fillRect(0, 0, width, height);
  drawing.drawImage(bitmap, 0, 0);
  bitmap.close();
  return withoutAlpha(drawing.getImageData(0, 0, width, height));
}

function withoutAlpha({ data, width, height }) {
  const rgb = makePicture(width, height, 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb.data[to] = data[from];
    rgb.data[to + 1] = data[from + 1];
    rgb.data[to + 2] = data[from + 2];
  }
  return rgb;
}
