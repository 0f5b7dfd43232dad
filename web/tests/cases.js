// The cases that Python wrote into the file that the environment variable CASES names.
import { readFileSync } from "node:fs";

export const { cases, facts } = JSON.parse(readFileSync(process.env.CASES, "utf8"));

export function unpack(picture) {
  return { ...picture, data: new Uint8Array(Buffer.from(picture.data, "base64")) };
}
