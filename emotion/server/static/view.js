// The faces of one tab, over the image and in the list. From `GROUP` faces on, marks and lines replace labels and cards.
import { drawBoxes, drawLabels, drawMarks, showTip } from "./boxes.js";
import { listCards, listLines, showShares } from "./faces.js";

export const GROUP = 5; // as in emotion/inference/drawing.py

const PARTS = ["stage", "boxes", "marks", "tip", "shares", "faces"];

// Returns the function that shows an answer of the server. `name(face, index)` is the number of a face. A live picture
// is mirrored, and its lines stay open from frame to frame.
export function viewOf(tab, name, live = false) {
  const [stage, svg, marks, tip, shares, list] = PARTS.map((part) => document.getElementById(`${tab}-${part}`));
  let entries = [];
  let size = { width: 1, height: 1 };
  let points = false;
  let active = null; // number of the face that is pointed at

  function draw() {
    const scale = stage.clientWidth / size.width;
    if (!scale) return; // hidden; the observer calls again
    const bounds = { width: stage.clientWidth, height: size.height * scale };
    const boxed = entries.filter((entry) => entry.face.box).map((entry) => scaled(entry, scale));
    const group = entries.length >= GROUP;
    drawBoxes(svg, boxed, bounds, points);
    if (!group) drawLabels(svg, boxed, bounds);
    const taken = drawMarks(marks, group ? boxed : [], bounds);
    for (const part of [...svg.children, ...marks.children, ...list.children]) {
      part.classList.toggle("active", group && part.dataset.face === active);
    }
    showTip(tip, group && boxed.find((entry) => entry.key === active), boxed, bounds, taken);
  }

  function scaled(entry, scale) {
    const [left, top, width, height] = ["left", "top", "width", "height"].map((edge) => entry.face.box[edge] * scale);
    const turned = (x, wide = 0) => live ? size.width * scale - x - wide : x;
    const places = (entry.face.landmarks ?? []).map(([x, y]) => [turned(x * scale), y * scale]);
    return { ...entry, box: { left: turned(left, width), top, width, height }, points: places };
  }

  function show(answer, colours, landmarks = false) {
    const group = answer.faces.length >= GROUP;
    size = answer;
    points = landmarks;
    entries = answer.faces.map((face, index) => ({ face, key: name(face, index), colour: colours[face.label] }));
    // In a video the largest face changes; lines that changed places could not be followed.
    if (group) entries.sort((one, other) => one.key - other.key);
    if (!live || list.classList.contains("lines") !== group) forget();
    list.classList.toggle("lines", group);
    (group ? listLines : listCards)(list, entries, colours);
    shares.hidden = !group;
    showShares(shares, entries, colours);
    draw();
  }

  function forget() {
    list.replaceChildren();
    pointed.clear();
  }

  new ResizeObserver(draw).observe(stage);
  const pointed = follow([stage, list], (key) => { active = key; draw(); });
  return show;
}

// Tells which face is pointed at, by hover, focus or tap, in any of the parts; null if none is.
function follow(parts, tell) {
  const keyOf = (event) => event.target.closest("[data-face]")?.dataset.face ?? null;
  let [hovered, held, told] = [null, null, null];
  const update = () => {
    const key = hovered ?? held;
    if (key !== told) tell(told = key);
  };
  const on = (target, name, change) => target.addEventListener(name, (event) => { change(event); update(); });
  for (const part of parts) {
    on(part, "pointerover", (event) => { hovered = keyOf(event); });
    on(part, "pointerleave", () => { hovered = null; });
    on(part, "focusin", (event) => { held = keyOf(event); });
    on(part, "focusout", () => { held = null; });
    on(part, "click", (event) => { held = keyOf(event); }); // some phones do not focus what is tapped
  }
  on(document, "pointerdown", (event) => { if (!parts.some((part) => part.contains(event.target))) held = null; });
  on(document, "keydown", (event) => { if (event.key === "Escape") hovered = held = null; });
  return { clear: () => { hovered = held = null; update(); } };
}
