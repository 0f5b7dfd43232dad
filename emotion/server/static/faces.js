// Lists faces beside their image: as cards with bars, or as lines that open. Words mark uncertain faces, not colour alone.
import { showNumber } from "./boxes.js";
import { element, keepChildren, paint, percent, title } from "./elements.js";

export function listCards(list, entries, colours) {
  list.replaceChildren(...entries.map(({ face, key, colour }) => {
    const heading = element("p", { class: "face-title" },
      element("span", { class: "number" }, `Face ${key}`),
      element("span", { class: "label" }, title(face)));
    if (face.uncertain) heading.append(uncertain());
    const item = element("li", {}, heading, barsOf(face, colours));
    item.style.setProperty("--colour", colour);
    return item;
  }));
}

const uncertain = () => element("span", { class: "uncertain" }, "uncertain");

export function listLines(list, entries, colours) {
  keepChildren(list, entries, lineOf, (item, entry) => {
    const [summary, bars] = item.firstChild.children;
    const disc = summary.firstChild;
    showNumber(disc, entry);
    summary.replaceChildren(disc, element("span", { class: "label" }, title(entry.face)));
    if (entry.face.uncertain) summary.append(uncertain());
    bars.replaceWith(barsOf(entry.face, colours));
  });
}

const lineOf = () => element("li", {},
  element("details", {}, element("summary", {}, element("span", { class: "disc" })), element("dl")));

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

// Shows how many faces have each label, as one stacked bar with a legend in words. Uncertain faces count apart.
export function showShares(figure, entries, colours) {
  const counts = {};
  for (const { face } of entries) {
    const label = face.uncertain ? "uncertain" : face.label;
    counts[label] = (counts[label] ?? 0) + 1;
  }
  const rank = ([label, count]) => label === "uncertain" ? 0 : count;
  const parts = Object.entries(counts).sort((one, other) => rank(other) - rank(one));
  const [bar, legend] = figure.children;
  bar.replaceChildren(...parts.map(([label, count]) => {
    const part = swatchOf(label, colours);
    part.style.flexGrow = count;
    return part;
  }));
  legend.replaceChildren(...parts.map(([label, count]) =>
    element("li", {}, swatchOf(label, colours), `${label} ${count}`)));
}

function swatchOf(label, colours) {
  const swatch = element("span", { class: label === "uncertain" ? "swatch unsure" : "swatch", "aria-hidden": "true" });
  if (label in colours) paint(swatch, colours[label]);
  return swatch;
}
