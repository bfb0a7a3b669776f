// The faces that were judged, cut out of the visitor's own file at the places that the verdict names.

import { html } from "./elements.js";
import { score, seconds, share } from "./words.js";

const MAX_PICTURES = 6;
const SIZE_PX = 192;
const ROOM = 1.6; // Side of the cut, in sides of the face's box.

export function listFaces(verdict) {
  const cuts = [];
  const faces = verdict.tracks.map((track) => {
    const clips = evenly(track.clips.filter((clip) => clip.face), MAX_PICTURES);
    const items = clips.map((clip) => {
      const label = `Face ${track.id + 1} at ${seconds(clip.face.atSec)}`;
      const canvas = html("canvas", { width: SIZE_PX, height: SIZE_PX, role: "img", "aria-label": label });
      cuts.push({ canvas, face: clip.face });
      return html("li", {}, canvas, `${seconds(clip.face.atSec)}: ${score(clip.score)}`);
    });
    const title = html("h4", {}, `Face ${track.id + 1}: score ${score(track.score)}`);
    return html("div", { class: "face" }, title, html("ul", { class: "strip" }, ...items));
  });
  const seen = html("p", { class: "soft" }, `A face was judged in ${share(verdict.coverage ?? 0)} of the frames that were looked at.`);
  return { elements: [seen, ...faces], cuts };
}

// Draws the pictures one after the other. Where the browser cannot play the file the canvases are taken away.
export async function cutFaces(cuts, url, signal) {
  const video = html("video", { preload: "auto" });
  video.muted = true;
  try {
    const ready = happens(video, "loadeddata", signal);
    video.src = url;
    await ready;
    for (const { canvas, face } of [...cuts].sort((one, other) => one.face.atSec - other.face.atSec)) {
      const sought = happens(video, "seeked", signal);
      // A hair later than the frame begins, so that rounding does not show the one before.
      video.currentTime = face.atSec + 0.001;
      await sought;
      draw(canvas, video, face);
    }
  } catch {
    if (!signal.aborted) for (const { canvas } of cuts) canvas.remove();
  } finally {
    video.removeAttribute("src");
    video.load();
  }
}

function draw(canvas, video, face) {
  const { leftPx, topPx, rightPx, bottomPx } = face;
  const side = ROOM * Math.max(rightPx - leftPx, bottomPx - topPx);
  const x = within((leftPx + rightPx - side) / 2, video.videoWidth - side);
  const y = within((topPx + bottomPx - side) / 2, video.videoHeight - side);
  canvas.getContext("2d").drawImage(video, x, y, side, side, 0, 0, SIZE_PX, SIZE_PX);
}

// Moves a cut so that it lies in the picture, if it is no larger than that.
function within(begin, most) {
  return most < 0 ? begin : Math.min(Math.max(begin, 0), most);
}

function happens(video, name, signal) {
  return new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", reject, { once: true });
    signal.addEventListener("abort", reject, { once: true });
  });
}

function evenly(items, most) {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, number) => items[Math.round(number * (items.length - 1) / (most - 1))]);
}
