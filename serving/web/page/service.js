// The gateway's REST service, as far as the page needs it.

export class Trouble extends Error {
  constructor(code, message, retryAfterSec = null) {
    super(message);
    this.code = code;
    this.retryAfterSec = retryAfterSec;
  }
}

export async function limits() {
  const response = await fetch("v1/limits");
  return response.ok ? response.json() : null;
}

// The model's card in Markdown, "" if there is none.
export async function modelCard() {
  const response = await fetch("v1/model-card");
  return response.ok ? (await response.json()).markdown : "";
}

// Has a file judged. XMLHttpRequest, because fetch does not tell how far an upload is.
// Returns {verdict: a promise, cancel}; a cancelled one is never settled.
export function analyze(file, { token, onUpload, onProgress }) {
  const request = new XMLHttpRequest();
  const verdict = new Promise((resolve, reject) => {
    let numRead = 0;
    let answer = null;
    const readLines = () => {
      if (request.status !== 200) return;
      const end = request.responseText.lastIndexOf("\n") + 1;
      for (const line of request.responseText.slice(numRead, end).split("\n").filter(Boolean)) {
        const event = JSON.parse(line);
        if (event.progress) onProgress(event.progress.stage, event.progress.fraction ?? 0);
        if (event.failure) reject(new Trouble(event.failure.code, event.failure.message));
        answer = event.verdict ?? answer;
      }
      numRead = end;
    };
    request.open("POST", "v1/videos:analyze");
    request.setRequestHeader("Accept", "application/x-ndjson");
    request.setRequestHeader("Content-Type", file.type.startsWith("video/") ? file.type : "application/octet-stream");
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.onprogress = (event) => onUpload(event.loaded / Math.max(1, event.total));
    request.onprogress = readLines;
    request.onload = () => {
      readLines();
      if (request.status !== 200) reject(refusal(request));
      else if (answer) resolve(answer);
      else reject(new Trouble("LOST", "It ended before there was a verdict."));
    };
    request.onerror = () => reject(new Trouble("LOST", "Is the gateway running, and can it be reached from here?"));
    request.send(file);
  });
  return { verdict, cancel: () => request.abort() };
}

function refusal(request) {
  const wait = Number.parseInt(request.getResponseHeader("Retry-After"), 10);
  try {
    const { code, message } = JSON.parse(request.responseText);
    return new Trouble(code, message, Number.isNaN(wait) ? null : wait);
  } catch {
    return new Trouble("UNKNOWN", `HTTP status ${request.status}`);
  }
}
