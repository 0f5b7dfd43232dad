// Draws faces as boxes over an image and as bars beside it. Words and lines mark uncertain faces, not colour alone.
const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

export const percent = (share) => `${Math.round(share * 100)}%`;

export const title = (face) => `${face.label} ${percent(face.confidence)}`;

// `size` is the size of the image, `name(face, index)` the number shown with a face.
export function drawBoxes(svg, faces, size, colours, name, mirrored = false) {
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.replaceChildren(...faces.filter((face) => face.box).flatMap((face) => {
    const { top, width, height } = face.box;
    const left = mirrored ? size.width - face.box.left - width : face.box.left;
    return boxOf({ left, top, width, height }, face, size, colours[face.label], name(face, faces.indexOf(face)));
  }));
}

function boxOf({ left, top, width, height }, face, size, colour, name) {
  const line = Math.max(size.width, size.height) / 220;
  const place = { x: left, y: top, width, height, rx: line * 2 };
  const letter = Math.max(size.width, size.height) / 34;
  const text = `${name} ${title(face)}${face.uncertain ? "?" : ""}`;
  const wide = Math.min(text.length * letter * 0.65, size.width);
  const high = letter * 1.5;
  const x = Math.min(Math.max(left, 0), size.width - wide);
  const y = top >= high ? top - high : Math.min(top + height, size.height - high);
  const letters = { class: "name", "font-size": letter, textLength: wide - letter * 0.5 };
  const dashes = face.uncertain ? { "stroke-dasharray": `${line * 4} ${line * 3}` } : {};
  return [
    drawn("rect", { ...place, class: "halo", "stroke-width": line * 2 }),
    drawn("rect", { ...place, class: "edge", stroke: colour, "stroke-width": line, ...dashes }),
    drawn("rect", { x, y, width: wide, height: high, rx: line, fill: "#000", "fill-opacity": 0.72 }),
    drawn("text", { ...letters, x: x + letter * 0.25, y: y + letter * 1.1 }, text),
  ];
}

export function listFaces(list, faces, colours, name) {
  list.replaceChildren(...faces.map((face, index) => {
    const heading = element("p", { class: "face-title" },
      element("span", { class: "number" }, `Face ${name(face, index)}`),
      element("span", { class: "label" }, title(face)));
    if (face.uncertain) heading.append(element("span", { class: "uncertain" }, "uncertain"));
    const item = element("li", {}, heading, barsOf(face, colours));
    item.style.setProperty("--colour", colours[face.label]);
    return item;
  }));
}

function barsOf(face, colours) {
  const list = element("dl", { class: "bars" });
  for (const [name, share] of Object.entries(face.probabilities)) {
    const fill = element("span", { class: "fill" });
    fill.style.width = `${share * 100}%`;
    fill.style.background = colours[name];
    const track = element("span", { class: "track", "aria-hidden": "true" }, fill);
    list.append(
      element("dt", {}, element("span", {}, name)),
      element("dd", {}, track, element("span", { class: "value" }, percent(share))));
  }
  return list;
}
