// The score of the video on a line from 0 to 1, with the threshold and what lies too near it.

import { svg } from "./elements.js";
import { score } from "./words.js";

const SIDE = 8;
const TOP = 30;
const BAR = 14;
const HEIGHT = 86;

export function drawScale(verdict, width) {
  const { score: value, threshold, band = 0 } = verdict;
  const x = (part) => SIDE + part * (width - 2 * SIDE);
  const low = Math.max(0, threshold - band);
  const high = Math.min(1, threshold + band);
  const unsure = band > 0 ? ` Inconclusive from ${score(low)} to ${score(high)}.` : "";
  const label = `Score ${score(value)} on a scale from 0 to 1. From ${score(threshold)} up it counts as fake.${unsure}`;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label },
    svg("rect", { class: "grid", x: x(0), y: TOP, width: x(1) - x(0), height: BAR, rx: 3, fill: "none" }));
  if (band > 0) drawing.append(svg("rect", { class: "band", x: x(low), y: TOP, width: x(high) - x(low), height: BAR }));
  const under = band > 0 ? `threshold ${score(threshold)}, cannot tell within ${score(band)}` : `threshold ${score(threshold)}`;
  drawing.append(
    svg("line", { class: "threshold", x1: x(threshold), x2: x(threshold), y1: TOP - 4, y2: TOP + BAR + 8 }),
    text(under, x(threshold), TOP + BAR + 22, width, "faint"),
    svg("text", { class: "faint", x: x(0), y: HEIGHT - 2 }, "0, unlike fakes"),
    svg("text", { class: "faint", x: x(1), y: HEIGHT - 2, "text-anchor": "end" }, "1, like fakes"),
    svg("polygon", { class: "needle", points: needle(x(value)) }),
    text(`score ${score(value)}`, x(value), TOP - 14, width, ""),
  );
  return [drawing];
}

function needle(x) {
  return `${x - 6},${TOP - 9} ${x + 6},${TOP - 9} ${x},${TOP + 3}`;
}

// Text about a place, moved so that it stays in the drawing.
function text(content, x, y, width, kind) {
  const half = content.length * 3.4;
  return svg("text", { class: kind, x: Math.min(Math.max(x, half), width - half), y, "text-anchor": "middle" }, content);
}
