// From pixels to the faces in them and what they appear to show, as JSON of the same form as the server's answers.
import { cropFace, toFace } from "./alignment.js";
import { shorten } from "./numbers.js";
import { toGrey } from "./pillow.js";
import { Tracker } from "./tracking.js";
import { YuNet } from "./yunet.js";

export class Predictor {
  // `networks` has `detect(pixels, width, height)` and `classify(faces, count)`; `facts` is what `make site` wrote.
  constructor(networks, facts) {
    this.networks = networks;
    this.facts = facts;
    this.detector = new YuNet(networks.detect, facts.yunet);
  }

  // Finds and classifies the faces of an RGB picture. One of exactly the size of a face is a cropped face.
  async predict(rgb, source) {
    const { width, height } = rgb;
    const edge = this.facts.face.face_size;
    const cropped = width === edge && height === edge;
    const found = cropped ? [null] : await this.detector.find(rgb);
    const rows = await this.classify(toGrey(rgb), found);
    const faces = found.map((face, index) => this.answer(face, rows[index]));
    return { source, width, height, detector: cropped ? null : this.facts.detector, faces, error: null };
  }

  // Returns what answers the frames of one camera: `next(rgb, time)`, and `smoothing` in seconds.
  startVideo(smoothing) {
    const faces = this.detector.forVideo(this.facts.smallest_in_webcam);
    const tracker = new Tracker(this.facts.tracking, smoothing);
    const next = async (rgb, time) => {
      const grey = toGrey(rgb);
      const found = await faces.find(rgb, tracker.expected(time));
      const tracked = await tracker.update(found, (all) => this.classify(grey, all), time);
      const answers = tracked.map(({ track, face, probabilities, label }) =>
        ({ track, ...this.answer(face, probabilities, label) }));
      return { width: rgb.width, height: rgb.height, faces: answers };
    };
    return { next, smooth: (seconds) => { tracker.smoothing = seconds; } };
  }

  // Returns the probabilities of each face; one without a place is the whole picture.
  async classify(grey, found) {
    if (!found.length) return [];
    const { face } = this.facts;
    const size = face.face_size ** 2;
    const pixels = new Uint8Array(found.length * size);
    found.forEach((each, index) => {
      const crop = each ? cropFace(grey, each, face) : toFace(grey, face.face_size);
      pixels.set(crop.data, index * size);
    });
    const shares = await this.networks.classify(pixels, found.length);
    const classes = this.facts.classes.length;
    return found.map((_, index) => shares.subarray(index * classes, (index + 1) * classes));
  }

  answer(found, row, label = row.indexOf(Math.max(...row))) {
    const { classes, threshold } = this.facts;
    const tenths = (value) => Math.round(value * 10) / 10;
    return {
      box: found?.box ?? null,
      landmarks: found?.landmarks.map((point) => point.map(tenths)) ?? null,
      label: classes[label],
      confidence: shorten(row[label]),
      uncertain: Math.max(...row) < threshold,
      probabilities: Object.fromEntries(classes.map((name, index) => [name, shorten(row[index])])),
    };
  }
}
