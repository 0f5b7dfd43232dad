// Turns the model card's Markdown into elements: headings, paragraphs, lists, tables, quotes; never reads it as HTML.
import { element } from "./elements.js";

const MARKS = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*/g;

export function cardOf(text) {
  return text.split(/\n{2,}/).filter((block) => block.trim()).map((block) => blockOf(block.trim().split("\n")));
}

function blockOf(lines) {
  const heading = /^(#{1,5}) (.*)$/.exec(lines[0]);
  // One level down, because the page has its own h1.
  if (heading) return textIn(`h${heading[1].length + 1}`, heading[2]);
  if (lines[0].startsWith("|")) return tableOf(lines);
  if (lines[0].startsWith("- ")) return element("ul", {}, ...lines.map((line) => textIn("li", line.slice(2))));
  const quoted = lines[0].startsWith("> ");
  const paragraph = textIn("p", lines.map((line) => quoted ? line.replace(/^> ?/, "") : line).join(" "));
  return quoted ? element("blockquote", {}, paragraph) : paragraph;
}

function tableOf([head, , ...body]) {
  const row = (line, name) =>
    element("tr", {}, ...line.slice(1, -1).split("|").map((text) => textIn(name, text.trim())));
  const rows = body.map((line) => row(line, "td"));
  const table = element("table", {}, element("thead", {}, row(head, "th")), element("tbody", {}, ...rows));
  return element("div", { class: "scroll", tabindex: "0" }, table);
}

const textIn = (name, text) => element(name, {}, ...inline(text));

function inline(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(MARKS)) {
    const name = match[1] ? "code" : match[2] ? "strong" : "em";
    parts.push(text.slice(end, match.index), element(name, {}, match[1] ?? match[2] ?? match[3]));
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}
