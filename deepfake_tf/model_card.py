"""The model card of a servable, in Markdown: what it learned from, how right it is, and what it is not good for.

The headings are those of Mitchell et al. 2019, "Model Cards for Model Reporting"; every figure comes from run.json,
report.json or the spec, and what was not measured is said not to have been.
"""

from collections.abc import Mapping
from typing import Any

from deepfake_tf.reporting import report_words
from deepfake_tf.schema import ServableSpec

NOT_FOR = (
    "As proof, or as the only ground for a decision about a person. A score says how much a video resembles the fakes "
    "that the model learned from; use it to decide what a person looks at first.",
    "For fakes of a kind that it has not seen: other methods, compression and cameras. Detectors fall far from their "
    "figures there.",
    "For sound, for what lies outside faces, for wholly generated scenes, and for faces that are not found.",
    "For people unlike those of its data, until it was measured on people like yours.",
    "Against an attacker who has the model: nothing here withstands perturbations made for it.",
)


def write_card(spec: ServableSpec, run: Mapping[str, Any], results: Mapping[str, Any] | None) -> str:
    """Returns the card.

    Args:
        spec: what the servable says of itself.
        run: what the run's run.json holds.
        results: what report.json holds; None if nothing was measured.
    """
    parts = [
        f"# {spec.model_name}, version {spec.model_version}",
        _summary(results),
        "## What it is\n\n" + _what(spec, run),
        "## What it is for\n\nTo say which videos a person should look at first, among videos like those below, with a "
        "face in them.",
        "## What it is not good for\n\n" + "\n".join(f"- {one}" for one in NOT_FOR),
        "## What it learned from\n\n" + _data(run),
        "## How right it is\n\n" + _figures(results),
        "## How an answer is made\n\n" + _answer(spec, run, results),
        "## Where it comes from\n\n" + _origin(spec, run),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(results: Mapping[str, Any] | None) -> str:
    if results is None:
        return "**How right it is was not measured, or is not said here.** Measure it before you use it."
    return report_words.verdict(results)


def _what(spec: ServableSpec, run: Mapping[str, Any]) -> str:
    settings, clips = run["settings"], spec.clip_spec
    over = f"{settings['head']} over time" if "head" in settings else f"{settings['classifier']} on its embeddings"
    return (
        f"A network that tells real face videos from deepfakes: {settings['backbone']} over each frame, {over}. It "
        f"looks at clips of {clips.num_frames} crops of a face, {clips.crop_size_px} x {clips.crop_size_px} pixels."
    )


def _data(run: Mapping[str, Any]) -> str:
    rows = ["| split | videos | groups | real clips | fake clips |", "|---|---|---|---|---|"]
    for split, one in run["data"].get("splits", {}).items():
        clips = one["num_clips"]
        rows.append(f"| {split} | {one['num_videos']} | {one['num_groups']} | {clips['real']} | {clips['fake']} |")
    return (
        f"Clips with the fingerprint `{run['data']['fingerprint']}`. People who share a video are of one group, as far "
        "as they are known, and splits are by group.\n\n" + "\n".join(rows)
    )


def _figures(results: Mapping[str, Any] | None) -> str:
    if results is None:
        return "Not measured."
    videos, coverage = results["videos"], results["coverage"]
    rows = ["| on whole videos | | 95 % interval | |", "|---|---|---|---|"]
    for name, value in videos["metrics"].items():
        if value is not None:
            rows.append(f"| {name} | {value:.3f} | {_interval(videos, name)} | {report_words.MEANINGS.get(name, '')} |")
    by_method = [one for one in results.get("by", {}).get("method", []) if one["num_fake"]]
    if by_method:
        rows += ["", "| method | fakes | AUC against all reals | 95 % interval |", "|---|---|---|---|"]
        for one in by_method:
            auc = one["metrics"].get("roc_auc")
            shown = "" if auc is None else f"{auc:.3f}"
            rows.append(f"| {one['value']} | {one['num_fake']} | {shown} | {_interval(one, 'roc_auc')} |")
    return (
        f"Measured on the split {results['data']['split']}, clips `{results['data']['fingerprint']}`: "
        f"{videos['num_real']} real and {videos['num_fake']} fake videos of {videos['num_groups']} groups; "
        f"{coverage['num_judged']} of {coverage['num_videos']} videos could be judged. The intervals are of a "
        "bootstrap over groups.\n\n"
        + "\n".join(rows)
        + "\n\nNot to be concluded from this:\n\n"
        + "\n".join(f"- {one}" for one in report_words.cautions(results))
    )


def _interval(level: Mapping[str, Any], name: str) -> str:
    low, high = level.get("intervals", {}).get(name) or (None, None)
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _answer(spec: ServableSpec, run: Mapping[str, Any], results: Mapping[str, Any] | None) -> str:
    chosen = ((results or {}).get("decision") or {}).get("chosen_on")
    return (
        f"The logits of a video's clips are joined by {spec.joining} and become a score by calibration "
        f"({spec.calibration.method}); at {spec.threshold:.4g} and above the answer is FAKE, nearer to it than "
        f"{spec.band:.4g} INCONCLUSIVE. "
        + ("This was chosen on validation videos." if chosen else "Whether this was chosen on data is not said here.")
        + " A video without a face gets no score."
    )


def _origin(spec: ServableSpec, run: Mapping[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in run.get("environment", {}).items() if name != "platform"
    )
    return (
        f"Made by deepfake-tf; spec `{spec.fingerprint()}`, format version {spec.format_version}, training data "
        f"`{spec.training_data}`. Versions: {versions}.\n\nThe terms are in LICENSE. The data that it learned from has "
        "terms of its own, which may reach further than those."
    )
