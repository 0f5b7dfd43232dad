// Draws over an image, in CSS pixels: boxes with labels, or boxes with numbered marks and a tooltip.
import { described, drawn, element, keepChildren, paint, title } from "./elements.js";
import { placeLabel, placeMark, placeTip } from "./places.js";

const [THINNEST, THICKEST] = [1.5, 2.5]; // lines of boxes
const [SMALLEST_MARK, LARGEST_MARK] = [17, 24];

const clamp = (value, least, most) => Math.max(least, Math.min(value, most));

function medianWidth(entries) {
  const widths = entries.map((entry) => entry.box.width).sort((one, other) => one - other);
  return widths[Math.floor(widths.length / 2)] ?? 0;
}

const others = (entries, entry) => entries.filter((other) => other !== entry).map((other) => other.box);

export function drawBoxes(svg, entries, bounds, points) {
  svg.setAttribute("viewBox", `0 0 ${bounds.width} ${bounds.height}`);
  const line = clamp(medianWidth(entries) / 20, THINNEST, THICKEST);
  svg.style.setProperty("--line", `${line}px`);
  svg.replaceChildren(...entries.flatMap((entry) => boxOf(entry, line)));
  if (points) svg.append(...entries.flatMap((entry) => entry.points).map(([cx, cy]) => pointAt(cx, cy, line)));
}

function boxOf({ box, face, key, colour }, line) {
  const place = { x: box.left, y: box.top, width: box.width, height: box.height, rx: line * 2, "data-face": key };
  const dashes = face.uncertain ? { "stroke-dasharray": `${line * 3} ${line * 2}` } : {};
  return [
    drawn("rect", { ...place, class: "halo" }),
    drawn("rect", { ...place, class: "edge", stroke: colour, ...dashes }),
  ];
}

const pointAt = (cx, cy, line) => drawn("circle", { class: "point", cx, cy, r: line });

export function drawLabels(svg, entries, bounds) {
  const letter = Math.max(12, Math.max(bounds.width, bounds.height) / 40);
  const taken = [];
  for (const entry of entries) {
    const text = `${entry.key} ${title(entry.face)}${entry.face.uncertain ? "?" : ""}`;
    const size = { width: Math.min(text.length * letter * 0.65, bounds.width), height: letter * 1.5 };
    const area = placeLabel(entry.box, size, bounds, others(entries, entry), taken);
    taken.push(area);
    svg.append(...labelOf(text, area, letter * area.height / size.height));
  }
}

function labelOf(text, { left, top, width, height }, letter) {
  const letters = { class: "name", "font-size": letter, textLength: width - letter * 0.5 };
  return [
    drawn("rect", { class: "plate", x: left, y: top, width, height, rx: 3 }),
    drawn("text", { ...letters, x: left + letter * 0.25, y: top + letter * 1.1 }, text),
  ];
}

// Returns the areas of the marks.
export function drawMarks(group, entries, bounds) {
  const edge = clamp(medianWidth(entries) * 0.4, SMALLEST_MARK, LARGEST_MARK);
  const taken = [];
  group.style.setProperty("--edge", `${edge}px`);
  keepChildren(group, entries, () => element("button", { type: "button", class: "disc mark" }), (mark, entry) => {
    const area = placeMark(entry.box, edge, bounds, others(entries, entry), taken);
    taken.push(area);
    mark.style.left = `${area.left + edge / 2}px`;
    mark.style.top = `${area.top + edge / 2}px`;
    showNumber(mark, entry);
    mark.setAttribute("aria-label", `Face ${entry.key}: ${described(entry.face)}`);
  });
  return taken;
}

// A round mark: a full disc in the colour of the class, or a dashed ring with a question mark.
export function showNumber(mark, { face, key, colour }) {
  const text = face.uncertain ? `${key}?` : key;
  mark.classList.toggle("unsure", face.uncertain);
  mark.classList.toggle("long", text.length > 2);
  if (mark.textContent !== text) mark.textContent = text;
  paint(mark, colour);
}

export function showTip(tip, entry, entries, bounds, taken) {
  tip.hidden = !entry;
  if (!entry) return;
  tip.dataset.face = entry.key;
  tip.textContent = `${entry.key} ${described(entry.face)}`;
  const size = { width: tip.offsetWidth, height: tip.offsetHeight };
  const parts = [entry.box, taken[entries.indexOf(entry)]];
  const area = placeTip(parts, size, bounds, others(entries, entry), taken);
  tip.style.left = `${area.left}px`;
  tip.style.top = `${area.top}px`;
}
