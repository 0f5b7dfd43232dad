// Makes elements of HTML and SVG, and the words for a face.
const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function drawn(name, attributes, text = "") {
  return fill(document.createElementNS(SVG, name), attributes, [text]);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Gives a parent one child for each entry, in their order. A child with the same key stays where it is, so that it
// keeps the focus, the pointer and what was opened in it while frame after frame arrives.
export function keepChildren(parent, entries, make, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.face, child]));
  const after = entries.map((entry) => before.get(entry.key) ?? make(entry));
  for (const child of before.values()) if (!after.includes(child)) child.remove();
  after.forEach((child, index) => {
    child.dataset.face = entries[index].key;
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, entries[index]);
  });
}

export const percent = (share) => `${Math.round(share * 100)}%`;

export const title = (face) => `${face.label} ${percent(face.confidence)}`;

export const described = (face) => face.uncertain ? `${title(face)}, uncertain` : title(face);

// Black or white letters on a colour, whichever has more contrast with it (WCAG 2.2).
export function inkOn(colour) {
  const channels = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16) / 255);
  const [red, green, blue] = channels.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

export function paint(made, colour) {
  made.style.setProperty("--colour", colour);
  made.style.setProperty("--ink", inkOn(colour));
}
