// The verdict on the page: the answer, the score, the scores over time, the faces, the details.

import { byId, drawToWidth, html } from "./elements.js";
import { cutFaces, listFaces } from "./faces.js";
import { drawScale } from "./scale.js";
import { drawTable, drawTimeline, lengthOf } from "./timeline.js";
import { describe, seconds } from "./words.js";

// Shows a verdict on a file; returns what takes all of it away again.
export function showResult(verdict, file) {
  const ending = new AbortController();
  const { signal } = ending;
  showAnswer(verdict, signal);
  const tracks = verdict.tracks ?? [];
  byId("over-time").hidden = byId("faces").hidden = tracks.length === 0;
  if (tracks.length > 0) showFaces(verdict, file, signal);
  showDetails(verdict);
  byId("result").hidden = false;
  return () => {
    ending.abort();
    byId("result").hidden = true;
  };
}

function showAnswer(verdict, signal) {
  const said = describe(verdict);
  byId("card").dataset.verdict = verdict.verdict;
  byId("answer").replaceChildren(html("span", { "aria-hidden": "true" }, `${said.mark} `), said.title);
  byId("meaning").textContent = said.meaning;
  byId("reason").textContent = verdict.reason ? `Reason: ${verdict.reason}.` : "";
  byId("scale").replaceChildren();
  if (verdict.score !== undefined) {
    signal.addEventListener("abort", drawToWidth(byId("scale"), (width) => drawScale(verdict, width)));
  }
}

function showFaces(verdict, file, signal) {
  const player = byId("player");
  const url = URL.createObjectURL(file);
  const { elements, cuts } = listFaces(verdict);
  byId("faces-list").replaceChildren(...elements);
  byId("table-box").open = false;
  let stopDrawing = () => {};
  const draw = (lengthSec, onSeek) => {
    stopDrawing();
    let show = () => {};
    stopDrawing = drawToWidth(byId("timeline"), (width) => {
      const { elements: drawn, showTime } = drawTimeline(verdict, lengthSec, width, onSeek);
      show = showTime;
      return drawn;
    });
    player.ontimeupdate = () => show(player.currentTime);
    byId("table").replaceChildren(drawTable(verdict, onSeek));
  };
  const seek = (sec) => {
    player.currentTime = sec;
    player.scrollIntoView({ block: "nearest" });
  };
  const showPlayer = (canPlay) => {
    player.hidden = !canPlay;
    byId("no-player").hidden = canPlay;
  };
  player.onloadedmetadata = () => {
    // Sound alone has no picture to show.
    showPlayer(player.videoWidth > 0);
    draw(Math.max(lengthOf(verdict), Number.isFinite(player.duration) ? player.duration : 0), seek);
  };
  player.onerror = () => {
    showPlayer(false);
    draw(lengthOf(verdict), null);
  };
  showPlayer(true);
  player.src = url;
  draw(lengthOf(verdict), null);
  cutFaces(cuts, url, signal);
  signal.addEventListener("abort", () => {
    stopDrawing();
    player.onloadedmetadata = player.onerror = player.ontimeupdate = null;
    player.removeAttribute("src");
    player.load();
    URL.revokeObjectURL(url);
  });
}

function showDetails(verdict) {
  const model = verdict.model ?? {};
  const timing = Object.entries(verdict.timingMs ?? {}).map(([stage, ms]) => `${stage} ${seconds(ms / 1000)}`);
  const facts = {
    Verdict: `${verdict.verdict}, outcome ${verdict.outcome}`,
    Model: `${model.name ?? "unknown"} version ${model.version ?? "unknown"}, spec ${model.specHash ?? "unknown"}`,
    Request: verdict.requestId,
    Time: timing.join(", "),
  };
  const known = Object.entries(facts).filter(([, value]) => value);
  byId("details").replaceChildren(...known.flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, value)]));
}
