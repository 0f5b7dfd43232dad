// The faces of images as csv, one row a face: the same text as `csv_text` in emotion/inference/formats.py.
const EDGES = ["left", "top", "width", "height"];
const [START, PREDICTION, END] = [["source", "face", "status"], ["label", "confidence", "uncertain"], ["error", "detector"]];

export function csvOf(answers, classes) {
  const head = [...START, ...EDGES, ...PREDICTION, ...classes, ...END];
  const rows = answers.flatMap((answer) => rowsOf(answer, classes));
  return [head, ...rows].map((row) => `${row.map(cellOf).join(",")}\n`).join("");
}

function rowsOf({ source, faces, error, detector }, classes) {
  if (!faces.length) {
    const nothing = Array(EDGES.length + PREDICTION.length + classes.length).fill(null);
    return [[source, null, error ? "error" : "no face", ...nothing, error, detector]];
  }
  return faces.map((face, index) => [
    source, index, "face", ...EDGES.map((edge) => face.box?.[edge]),
    face.label, shareOf(face.confidence), face.uncertain ? "True" : "False",
    ...classes.map((name) => shareOf(face.probabilities[name])), error, detector,
  ]);
}

function cellOf(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// As Python writes it: at least one decimal, and below 0.0001 an exponent of two digits.
function shareOf(share) {
  if (Number.isInteger(share)) return share.toFixed(1);
  return share < 1e-4 ? share.toExponential().replace(/e-(\d)$/, "e-0$1") : String(share);
}
