// Scores over the time of the video: a line of clips for each face, as a drawing and as a table.

import { html, mark, svg, trackClass } from "./elements.js";
import { score, seconds } from "./words.js";

const HEIGHT = 220;
const LEFT = 34;
const RIGHT = 18;
const TOP = 14;
const BOTTOM = 30;
const STEPS_SEC = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];

// Returns {elements, showTime}: the drawing and its legend, and what moves the line of the time that is shown.
export function drawTimeline(verdict, lengthSec, width, onSeek) {
  const place = axes(lengthSec, width);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": summary(verdict) },
    ...background(verdict, lengthSec, width, place));
  for (const track of verdict.tracks) drawing.append(trackLine(track, place));
  const playhead = svg("line", { class: "playhead", y1: place.y(1), y2: place.y(0), visibility: "hidden" });
  drawing.append(playhead);
  if (onSeek) {
    drawing.classList.add("seekable");
    drawing.addEventListener("click", (event) => onSeek(timeAt(event, drawing, lengthSec, width)));
  }
  const showTime = (sec) => {
    for (const end of ["x1", "x2"]) playhead.setAttribute(end, place.x(Math.min(sec, lengthSec)));
    playhead.setAttribute("visibility", "visible");
  };
  return { elements: [drawing, legend(verdict)], showTime };
}

export function drawTable(verdict, onSeek) {
  const rows = verdict.tracks.flatMap((track) => track.clips.map((clip) => row(track, clip, onSeek)));
  const heads = ["Face", "From", "To", "Score", ...(onSeek ? ["Show"] : [])];
  return html("table", {},
    html("caption", {}, `Scores from 0 to 1; from ${score(verdict.threshold)} up they count as fake.`),
    html("thead", {}, html("tr", {}, ...heads.map((head) => html("th", { scope: "col" }, head)))),
    html("tbody", {}, ...rows));
}

export function lengthOf(verdict) {
  return Math.max(0.1, ...verdict.tracks.flatMap((track) => track.clips.map((clip) => clip.endSec)));
}

function axes(lengthSec, width) {
  return {
    x: (sec) => LEFT + sec / lengthSec * (width - LEFT - RIGHT),
    y: (value) => TOP + (1 - value) * (HEIGHT - TOP - BOTTOM),
  };
}

function background(verdict, lengthSec, width, { x, y }) {
  const { threshold, band = 0 } = verdict;
  const found = [];
  if (band > 0) {
    const [low, high] = [Math.max(0, threshold - band), Math.min(1, threshold + band)];
    found.push(svg("rect", { class: "band", x: x(0), y: y(high), width: x(lengthSec) - x(0), height: y(low) - y(high) }));
  }
  for (const value of [0, 0.5, 1]) {
    found.push(svg("line", { class: value ? "grid" : "axis", x1: x(0), x2: x(lengthSec), y1: y(value), y2: y(value) }),
      svg("text", { class: "faint", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  const step = STEPS_SEC.find((one) => lengthSec / one <= width / 90) ?? 7200;
  for (let sec = 0; x(sec) <= width - RIGHT; sec += step) {
    const label = `${Number(sec.toFixed(1))} s`;
    found.push(svg("line", { class: "axis", x1: x(sec), x2: x(sec), y1: y(0), y2: y(0) + 5 }),
      svg("text", { class: "faint", x: x(sec), y: HEIGHT - 8, "text-anchor": sec === 0 ? "start" : "middle" }, label));
  }
  found.push(svg("line", { class: "threshold", x1: x(0), x2: x(lengthSec), y1: y(threshold), y2: y(threshold) }));
  return found;
}

function trackLine(track, { x, y }) {
  const middles = track.clips.map((clip) => [x((clip.startSec + clip.endSec) / 2), y(clip.score)]);
  const group = svg("g", { class: trackClass(track.id) },
    svg("polyline", { class: "link", points: middles.map((point) => point.join(",")).join(" ") }));
  track.clips.forEach((clip, number) => {
    const about = `Face ${track.id + 1}, ${seconds(clip.startSec)} to ${seconds(clip.endSec)}: ${score(clip.score)}`;
    group.append(svg("g", {},
      svg("title", {}, about),
      svg("line", { class: "clip", x1: x(clip.startSec), x2: x(clip.endSec), y1: y(clip.score), y2: y(clip.score) }),
      mark(track.id, ...middles[number])));
  });
  return group;
}

function legend(verdict) {
  const entry = (text, kind, ...shapes) => html("li", {},
    svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true", class: kind }, ...shapes), text);
  const line = svg("line", { class: "threshold", x1: 0, x2: 16, y1: 8, y2: 8 });
  const area = svg("rect", { class: "band", width: 16, height: 16 });
  return html("ul", { class: "legend" },
    ...verdict.tracks.map((track) =>
      entry(`Face ${track.id + 1}: ${score(track.score)}`, trackClass(track.id), mark(track.id, 8, 8, 6))),
    entry(`Threshold: ${score(verdict.threshold)}`, "", line),
    ...(verdict.band > 0 ? [entry("Cannot tell", "", area)] : []));
}

function summary(verdict) {
  const faces = verdict.tracks.map((track) => {
    const values = track.clips.map((clip) => clip.score);
    return `face ${track.id + 1} between ${score(Math.min(...values))} and ${score(Math.max(...values))}`;
  });
  return `Scores over time: ${faces.join(", ")}; the threshold is ${score(verdict.threshold)}. A table follows.`;
}

function row(track, clip, onSeek) {
  const cells = [`Face ${track.id + 1}`, seconds(clip.startSec), seconds(clip.endSec), score(clip.score)];
  const made = html("tr", {}, ...cells.map((text) => html("td", { class: "number" }, text)));
  if (onSeek) {
    const label = `Show face ${track.id + 1} at ${seconds(clip.startSec)}`;
    const button = html("button", { type: "button", class: "button plain small", "aria-label": label }, "Show");
    button.addEventListener("click", () => onSeek(clip.startSec));
    made.append(html("td", {}, button));
  }
  return made;
}

function timeAt(event, drawing, lengthSec, width) {
  const box = drawing.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * width;
  return Math.min(Math.max((x - LEFT) / (width - LEFT - RIGHT), 0), 1) * lengthSec;
}
