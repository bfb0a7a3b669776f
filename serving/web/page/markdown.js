// Markdown as far as a model card has it: headings, paragraphs, lists, tables, **bold** and `code`. The rest stays text.

import { html } from "./elements.js";

// Headings begin where those of the page that is around them end.
const FIRST_LEVEL = 3;

export function fromMarkdown(text) {
  return text.split(/\n{2,}/).map((part) => part.trim()).filter(Boolean).map(block);
}

function block(part) {
  const heading = /^(#{1,3}) (.*)$/.exec(part);
  if (heading) return html(`h${FIRST_LEVEL - 1 + heading[1].length}`, {}, ...inline(heading[2]));
  const lines = part.split("\n");
  if (lines.every((line) => line.startsWith("- "))) {
    return html("ul", {}, ...lines.map((line) => html("li", {}, ...inline(line.slice(2)))));
  }
  if (lines.length > 2 && lines.every((line) => line.startsWith("|"))) return table(lines);
  return html("p", {}, ...inline(lines.join(" ")));
}

function table([head, , ...rows]) {
  const cells = (line, name) => line.slice(1, -1).split("|").map((cell) => html(name, {}, ...inline(cell.trim())));
  return html("div", { class: "scroll" }, html("table", {},
    html("thead", {}, html("tr", {}, ...cells(head, "th"))),
    html("tbody", {}, ...rows.map((row) => html("tr", {}, ...cells(row, "td"))))));
}

function inline(text) {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
    if (part.startsWith("**") && part.endsWith("**") && part.length > 4) return html("b", {}, part.slice(2, -2));
    if (part.startsWith("`") && part.endsWith("`") && part.length > 2) return html("code", {}, part.slice(1, -1));
    return part;
  });
}
