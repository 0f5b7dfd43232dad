// The tab Model: the network's metrics, its confusion matrix, its model card, and where it runs.
import { cardOf } from "./card.js";
import { element } from "./elements.js";

const at = (id) => document.getElementById(id);
const share = (value) => value == null ? "n/a" : `${(value * 100).toFixed(1)}%`;

export async function showModel(facts) {
  const model = await facts.catch((error) => { at("model-status").textContent = error.message; });
  if (!model) return;
  if (!model.card) {
    at("model-status").textContent = "This model file has no model card. Evaluate the model before you rely on it.";
    return;
  }
  at("model-figures").replaceChildren(heading("How often it agrees with labels and raters"), tilesOf(model.figures));
  if (model.confusion) {
    at("model-confusion").replaceChildren(heading("Which expressions it confuses"), matrixOf(model.confusion));
  }
  at("model-card").replaceChildren(...cardOf(model.card));
}

export function showProcessor(engine) {
  engine?.onProcessor?.((text) => { at("model-processor").textContent = text; });
}

const heading = (text) => element("h2", {}, text);

function tilesOf(figures) {
  return element("dl", { class: "tiles" }, ...figures.map(({ title, validation, test }) => element("div", {},
    element("dt", {}, title),
    element("dd", {}, share(test), element("small", {}, `test; ${share(validation)} validation`)))));
}

// Shows each row in percent of the faces with that label.
function matrixOf({ classes, counts }) {
  const head = element("tr", {}, element("td"), ...classes.map((name) => element("th", { scope: "col" }, name)));
  const rows = counts.map((row, index) => {
    const total = row.reduce((sum, count) => sum + count, 0) || 1;
    const cells = row.map((count) => cellOf(count / total, count));
    return element("tr", {}, element("th", { scope: "row" }, classes[index]), ...cells);
  });
  const table = element("table", { class: "matrix" },
    element("caption", {}, "Test split, in percent of each row. Rows: labels given by people. Columns: predictions."),
    element("thead", {}, head), element("tbody", {}, ...rows));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Confusion matrix" }, table);
}

function cellOf(part, count) {
  const cell = element("td", { title: `${count} faces` }, percentOf(part));
  // At most 55%, so that the text stays readable on light and dark pages.
  cell.style.background = `color-mix(in srgb, #0072B2 ${Math.round(part * 55)}%, var(--surface))`;
  return cell;
}

const percentOf = (part) => part === 0 ? "0" : part < 0.005 ? "<1" : `${Math.round(part * 100)}`;
