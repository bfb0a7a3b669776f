// What the page says, in one place.

export const STAGES = [
  { name: "upload", title: "Sending the video", waiting: "" },
  { name: "faces", title: "Finding the faces", waiting: "waiting for its turn" },
  { name: "predict", title: "Scoring the faces", waiting: "" },
];

const ANSWERS = {
  FAKE: {
    title: "Looks fake",
    mark: "▲",
    meaning: "The faces resemble the fakes that the model was trained on. It can be wrong: look at the places with high "
      + "scores, and at where the video comes from, before you conclude anything.",
  },
  REAL: {
    title: "No sign of a fake found",
    mark: "●",
    meaning: "The faces do not resemble the fakes that the model was trained on. That does not prove that the video is real: "
      + "a fake of another kind can get a low score.",
  },
  INCONCLUSIVE: {
    title: "Cannot tell",
    mark: "◆",
    meaning: "The score lies too near the threshold to say one thing or the other. Do not count it as fake or as real.",
  },
  NO_FACE: {
    title: "No face found, nothing was judged",
    mark: "○",
    meaning: "There was no face to look at, or none that was seen well enough. This says nothing on whether the video is real.",
  },
};

const OUTCOMES = {
  UNREADABLE: "The file could not be read as a video. It may be damaged, or no video at all.",
  TOO_LARGE: "The file, or its picture, is larger than this gateway takes.",
  TOO_LONG: "The video is longer than this gateway takes. A shorter piece of it can be judged.",
  TIMEOUT: "The analysis took longer than this gateway allows. A shorter piece of the video can be judged.",
};

export function describe(verdict) {
  const known = ANSWERS[verdict.verdict];
  if (known) return known;
  const why = OUTCOMES[verdict.outcome] ?? OUTCOMES.UNREADABLE;
  return { title: "Not judged", mark: "□", meaning: `${why} This says nothing on whether the video is real.` };
}

const TROUBLES = {
  UNAUTHENTICATED: "The gateway does not know this token",
  PERMISSION_DENIED: "The gateway refuses this",
  RESOURCE_EXHAUSTED: "The gateway is busy",
  UNAVAILABLE: "The gateway cannot judge videos now",
  DEADLINE_EXCEEDED: "It took too long",
  INVALID_ARGUMENT: "The gateway cannot take this file",
  LOST: "The connection to the gateway broke",
};

export function troubleTitle(code) {
  return TROUBLES[code] ?? "Something went wrong";
}

export function seconds(value) {
  return `${value.toFixed(1)} s`;
}

export function score(value) {
  return value.toFixed(2);
}

export function share(value) {
  return `${Math.round(100 * value)} %`;
}

export function bytes(value) {
  const units = [[1024 ** 3, "GB"], [1024 ** 2, "MB"], [1024, "kB"]];
  const [size, unit] = units.find(([one]) => value >= one) ?? [1, "bytes"];
  return `${Math.round(10 * value / size) / 10} ${unit}`;
}

export function duration(value) {
  return value < 120 ? `${Math.round(value)} seconds` : `${Math.round(value / 60)} minutes`;
}
