// Draws an image with its faces, for a file: boxes with labels; in a group, numbered marks and a legend below.
import { described, inkOn } from "./elements.js";
import { placeLabel, placeMark } from "./places.js";
import { GROUP } from "./view.js";

const FONT = "system-ui, sans-serif";
const [DARK, LIGHT] = ["#14181c", "#fff"];

// `picture` is what a canvas can draw; returns a PNG.
export function annotate(picture, { width, height, faces }, colours) {
  const letter = Math.max(12, Math.round(Math.max(width, height) / 45));
  const entries = faces.map((face, index) => entryOf(face, index, colours, { width, height }));
  const group = faces.length >= GROUP;
  const legend = group ? layOut(entries, width, letter) : { rows: 0 };
  const canvas = Object.assign(document.createElement("canvas"), { width });
  canvas.height = height + Math.ceil((legend.rows + Math.sign(legend.rows)) * letter * 1.6);
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, width, height);
  for (const entry of entries) drawBox(pen, entry, letter / 7);
  if (group) drawGroup(pen, entries, { width, height }, letter, legend);
  else drawLabels(pen, entries, { width, height }, letter);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// A face without a box fills the image.
function entryOf(face, index, colours, { width, height }) {
  const box = face.box ?? { left: 0, top: 0, width, height };
  return { face, box, number: `${index + 1}${face.uncertain ? "?" : ""}`, colour: colours[face.label] };
}

function drawBox(pen, { box, face, colour }, line) {
  pen.setLineDash(face.uncertain ? [line * 4, line * 3] : []);
  for (const [style, thickness] of [["rgb(0 0 0 / 0.55)", line * 2], [colour, line]]) {
    pen.strokeStyle = style;
    pen.lineWidth = thickness;
    pen.strokeRect(box.left, box.top, box.width, box.height);
  }
  pen.setLineDash([]);
}

const boxesBeside = (entries, entry) => entries.filter((other) => other !== entry).map((other) => other.box);

function drawLabels(pen, entries, bounds, letter) {
  const taken = [];
  for (const entry of entries) {
    pen.font = `600 ${letter}px ${FONT}`;
    const text = described(entry.face);
    const wide = Math.min(pen.measureText(text).width + letter, bounds.width);
    const area = placeLabel(entry.box, { width: wide, height: letter * 1.6 }, bounds, boxesBeside(entries, entry), taken);
    taken.push(area);
    fill(pen, entry.colour, area);
    write(pen, text, area, inkOn(entry.colour), letter * area.height / (letter * 1.6));
  }
}

function fill(pen, colour, { left, top, width, height }) {
  pen.fillStyle = colour;
  pen.fillRect(left, top, width, height);
}

// Writes into the middle of an area, narrower if the text is too wide for it.
function write(pen, text, { left, top, width, height }, colour, letter) {
  pen.font = `600 ${letter}px ${FONT}`;
  pen.fillStyle = colour;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(text, left + width / 2, top + height / 2, width * 0.95);
}

function drawGroup(pen, entries, bounds, letter, { columns, rows }) {
  const taken = [];
  fill(pen, LIGHT, { left: 0, top: bounds.height, width: bounds.width, height: pen.canvas.height - bounds.height });
  entries.forEach((entry, index) => {
    const edge = Math.max(14, Math.min(entry.box.width * 0.4, letter * 1.5));
    taken.push(placeMark(entry.box, edge, bounds, boxesBeside(entries, entry), taken));
    drawMark(pen, entry, taken.at(-1));
    const [column, row] = [Math.floor(index / rows), index % rows];
    const place = { left: letter + column * bounds.width / columns, top: bounds.height + (row + 0.5) * letter * 1.6 };
    drawMark(pen, entry, { ...place, width: letter * 1.4, height: letter * 1.4 });
    pen.textAlign = "left";
    pen.font = `${letter}px ${FONT}`;
    pen.fillStyle = DARK;
    pen.fillText(described(entry.face), place.left + letter * 2, place.top + letter * 0.7, bounds.width / columns - letter * 3);
  });
}

function layOut(entries, width, letter) {
  const longest = Math.max(...entries.map(({ face }) => described(face).length));
  const columns = Math.max(1, Math.floor(width / ((longest * 0.6 + 4) * letter)));
  return { columns, rows: Math.ceil(entries.length / columns) };
}

function drawMark(pen, { face, number, colour }, area) {
  const radius = area.width / 2;
  pen.beginPath();
  pen.arc(area.left + radius, area.top + radius, radius, 0, 2 * Math.PI);
  pen.fillStyle = face.uncertain ? DARK : colour;
  pen.fill();
  pen.lineWidth = Math.max(1, radius / 6);
  pen.strokeStyle = face.uncertain ? colour : LIGHT;
  pen.setLineDash(face.uncertain ? [radius / 2, radius / 3] : []);
  pen.stroke();
  pen.setLineDash([]);
  write(pen, number, area, face.uncertain ? LIGHT : inkOn(colour), radius * 1.1);
}
