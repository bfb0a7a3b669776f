// The page's one flow: a file is chosen, sent, analysed, and its verdict shown; or cancelled, or it fails.

import { byId, html } from "./elements.js";
import { fromMarkdown } from "./markdown.js";
import { showResult } from "./result.js";
import { Trouble, analyze, limits, modelCard } from "./service.js";
import { STAGES, bytes, describe, duration, score, share, troubleTitle } from "./words.js";

const TITLE = document.title;
// Kept as long as the page is open, and nowhere else.
let token = "";
let file = null;
let running = null;
let takeResultAway = () => {};
let maxBytes = Infinity;

function start(chosen) {
  file = chosen;
  stop();
  if (file.size > maxBytes) {
    fail(new Trouble("INVALID_ARGUMENT", `It is larger than ${bytes(maxBytes)}, the most that this gateway takes.`));
    return;
  }
  show("working");
  document.title = TITLE;
  byId("working-name").textContent = `${file.name}, ${bytes(file.size)}`;
  byId("stages").replaceChildren(...STAGES.map(stageItem));
  tell("upload", 0);
  byId("working-title").focus();
  const work = analyze(file, { token, onUpload: (part) => tell("upload", part), onProgress: tell });
  running = work;
  work.verdict.then((verdict) => running === work && finish(verdict), (error) => running === work && fail(error));
}

function stop() {
  running?.cancel();
  running = null;
  takeResultAway();
  takeResultAway = () => {};
}

function finish(verdict) {
  running = null;
  show("result");
  takeResultAway = showResult(verdict, file);
  const { title } = describe(verdict);
  document.title = `${title} - ${TITLE}`;
  say(verdict.score === undefined ? title : `${title}. Score ${score(verdict.score)}.`);
  byId("answer").focus();
}

function fail(error) {
  running = null;
  document.title = `${troubleTitle(error.code)} - ${TITLE}`;
  const needsToken = error.code === "UNAUTHENTICATED";
  show(needsToken ? "token-form" : "trouble", needsToken && token ? "trouble" : "");
  byId("trouble-title").textContent = troubleTitle(error.code);
  byId("trouble-text").textContent = needsToken ? "Ask whoever runs this gateway for another one." : error.message;
  const wait = error.retryAfterSec;
  byId("trouble-detail").textContent = wait ? `Try again in ${wait === 1 ? "a second" : `${wait} seconds`}.` : "";
  // The same file would be refused again.
  byId("again").hidden = needsToken || error.code === "INVALID_ARGUMENT";
  byId(needsToken ? "token" : "trouble-title").focus();
}

// Shows these parts of the page and hides the others that come and go.
function show(...ids) {
  for (const id of ["token-form", "trouble", "working", "result"]) byId(id).hidden = !ids.includes(id);
}

function say(text) {
  byId("said").textContent = text;
}

function stageItem(stage) {
  const bar = html("progress", { max: 1, value: 0, "aria-label": stage.title });
  return html("li", { id: `stage-${stage.name}` }, stage.title, " ", html("span", { class: "share" }), bar);
}

// Notes how far a stage is; the stages before it are done, and where it is done the next one waits.
function tell(name, part) {
  const number = STAGES.findIndex((stage) => stage.name === name);
  if (number < 0) return;
  const current = part >= 1 && number + 1 < STAGES.length ? number + 1 : number;
  STAGES.forEach((stage, other) => {
    const item = byId(`stage-${stage.name}`);
    const done = other < current ? 1 : other === number ? part : 0;
    const waits = other === current && current !== number;
    const bar = item.querySelector("progress");
    if (waits) bar.removeAttribute("value");
    else bar.value = done;
    item.querySelector(".share").textContent = waits ? stage.waiting : other <= current ? share(done) : "";
    if (other === current && item.getAttribute("aria-current") !== "step") say(stage.title);
    item.toggleAttribute("aria-current", other === current);
    if (other === current) item.setAttribute("aria-current", "step");
  });
}

function take(files) {
  if (files.length === 1) start(files[0]);
  else if (files.length > 1) {
    stop();
    fail(new Trouble("INVALID_ARGUMENT", "One video at a time, please."));
  }
}

function listen() {
  const input = byId("file");
  input.addEventListener("change", () => {
    take(input.files);
    // The same file may be chosen again.
    input.value = "";
  });
  byId("cancel").addEventListener("click", () => {
    stop();
    show();
    say("Cancelled. The gateway stops and deletes the video.");
    input.focus();
  });
  byId("again").addEventListener("click", () => (file ? start(file) : input.click()));
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    token = byId("token").value.trim();
    byId("token").value = "";
    if (file) start(file);
  });
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
}

async function tellLimits() {
  byId("host").textContent = location.host;
  const known = await limits().catch(() => null);
  if (!known) return;
  maxBytes = known.maxBytes;
  byId("limits").textContent = `Up to ${bytes(known.maxBytes)} and ${duration(known.maxDurationSec)}.`;
}

async function showCard() {
  const text = await modelCard().catch(() => "");
  byId("model-card").replaceChildren(...fromMarkdown(text));
  byId("card-box").hidden = !text;
}

listen();
tellLimits();
showCard();
