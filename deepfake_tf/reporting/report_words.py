"""What a report concludes, in sentences that follow from its numbers.

`results` is what report.json holds, `rows` are those of video_scores.csv.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deepfake_tf.degrading.degradations import CLEAN
from deepfake_tf.reporting.breakdown import PAIR
from deepfake_tf.reporting.matched_pairs import ALONE, MATCHED

MEANINGS = {
    "accuracy": "share of right answers",
    "average_precision": "area under precision over recall; guessing gives the share of fakes",
    "balanced_accuracy": "mean of the shares of reals and of fakes that are called right; 0.5 is guessing",
    "brier": "mean squared error of the scores; 0.25 is what a constant 0.5 gives",
    "ece": "by how much scores and shares of fakes differ on average (expected calibration error)",
    "eer": "the rate at which reals called fake and missed fakes are as many; 0.5 is guessing",
    "f1": "harmonic mean of precision and recall",
    "log_loss": "in nats; 0.693 is what a constant 0.5 gives",
    "partial_auc": "as the AUC, of few false alarms alone; 0.5 is guessing",
    "precision": "true fakes among those called fake",
    "recall": "those called fake among the fakes",
    "roc_auc": "chance that a fake scores above a real one; 0.5 is guessing",
    "tpr_at_fpr_0_01": "fakes found when one real in 100 may be called fake",
    "tpr_at_fpr_0_001": "fakes found when one real in 1,000 may be called fake",
}
"""What the reader of a report is told of a metric; one without an entry stands by its name."""

_WIDE = 0.2
_RARE = 0.01
"""The share of fakes of the example of what a single answer is worth."""


def percent(share: float, digits: int = 0) -> str:
    """Returns a share as text, such as "12 %"."""
    return f"{100 * share:.{digits}f} %"


def count(number: int, name: str) -> str:
    """Returns a number of things, such as "1 fake" or "2 fakes"."""
    return f"{number} {name}{'' if number == 1 else 's'}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def interval(level: Mapping[str, Any], name: str) -> tuple[float | None, float | None]:
    """Returns the 95 % interval of a metric, None for both ends if it has none."""
    low, high = level.get("intervals", {}).get(name, (None, None))
    return low, high


def why_no_interval(videos: Mapping[str, Any]) -> str:
    """Returns why a level has no interval, as the end of a sentence."""
    if videos["num_groups"] < 2:
        return "all videos are of one group"
    return f"every draw of the {videos['num_groups']} groups gives the same figure"


def rates(videos: Mapping[str, Any]) -> tuple[float, float] | None:
    """Returns the shares of reals and of fakes that are called fake, None if a class is missing."""
    (right_real, wrong_real), (wrong_fake, right_fake) = videos["confusion"]
    if not (right_real + wrong_real and wrong_fake + right_fake):
        return None
    return wrong_real / (right_real + wrong_real), right_fake / (wrong_fake + right_fake)


def verdict(results: Mapping[str, Any]) -> str:
    """Returns the one sentence that a reader takes along."""
    videos = results["videos"]
    auc, (low, high) = videos["metrics"].get("roc_auc"), interval(videos, "roc_auc")
    if auc is None:
        return "These videos are of one class only, so they cannot show how well the model tells real from fake."
    if low is None or high is None:
        return (
            f"The model ranks a fake above a real video in {100 * auc:.0f} of 100 pairs, but "
            f"{why_no_interval(videos)}: no interval can be given, and how far this can be trusted is not known."
        )
    span = f"95 % interval {low:.2f} to {high:.2f}"
    if low <= 0.5 <= high:
        return f"These videos do not show that the model is better than guessing (video AUC {auc:.2f}, {span})."
    if high < 0.5:
        return f"The model ranks real above fake (video AUC {auc:.2f}, {span}). Are the labels right?"
    (right_real, wrong_real), (wrong_fake, right_fake) = videos["confusion"]
    return (
        f"Of a real and a fake video like these the model picks the fake in {100 * auc:.0f} of 100 cases (95 % "
        f"interval {100 * low:.0f} to {100 * high:.0f}); at its threshold it finds {right_fake} of "
        f"{right_fake + wrong_fake} fakes and calls {wrong_real} of {right_real + wrong_real} real videos fake."
    )


def cautions(results: Mapping[str, Any]) -> list[str]:
    """Returns what is not to be concluded, the first being what these numbers warn of most."""
    videos = results["videos"]
    found = [
        _on_pairs(results.get("by", {}).get(PAIR, [])),
        _on_width(videos),
        _on_few_groups(videos),
        _on_rare_fakes(videos),
        _on_calibration(results),
        _on_refused(results["coverage"]),
    ]
    methods = [one["value"] for one in results.get("by", {}).get("method", []) if one["num_fake"]]
    tried = f" ({', '.join(methods[:6])}{' …' if len(methods) > 6 else ''})" if methods else ""
    found.append(
        f"That it works on fakes of other kinds, cameras or video sites than these{tried}. Detectors fall far from "
        "such figures on material that they have not seen."
    )
    return [one for one in found if one]


def _on_pairs(slices: Sequence[Mapping[str, Any]]) -> str:
    aucs = {one["value"]: one["metrics"]["roc_auc"] for one in slices}
    matched, alone = aucs.get(MATCHED), aucs.get(ALONE)
    if matched is None or alone is None or matched >= alone:
        return ""
    low, high = interval(next(one for one in slices if one["value"] == MATCHED), "roc_auc")
    span = "" if low is None else f" (95 % interval {low:.2f} to {high:.2f})"
    return (
        f"That it sees forgery alone: on matched pairs, a fake beside its own real, the AUC is {matched:.2f}"
        f"{span}, on the other videos {alone:.2f}. Those may be told apart by scene, light or codec."
    )


def _on_width(videos: Mapping[str, Any]) -> str:
    low, high = interval(videos, "roc_auc")
    if low is None or high is None or high - low < _WIDE:
        return ""
    return (
        f"That the figure itself is right: from {videos['num_groups']} groups of videos the AUC could be anything from "
        f"{low:.2f} to {high:.2f}."
    )


def _on_few_groups(videos: Mapping[str, Any]) -> str:
    note = videos.get("notes", {}).get("intervals")
    return f"That the intervals are exact: {note}." if note else ""


def _on_rare_fakes(videos: Mapping[str, Any]) -> str:
    found = rates(videos)
    if found is None:
        return ""
    false_rate, true_rate = found
    num_real = sum(videos["confusion"][0])
    # No false alarm among n reals leaves up to 3 / n possible (the rule of three).
    assumed = false_rate or min(1.0, 3 / num_real)
    fakes, alarms = 1000 * _RARE * true_rate, 1000 * (1 - _RARE) * assumed
    said = (
        "at these rates"
        if false_rate
        else f"with the {percent(assumed, 1)} of false alarms that {num_real} reals allow"
    )
    return (
        f"That a video called fake is fake. If {percent(_RARE)} of 1,000 videos are fakes, then {said} some "
        f"{fakes + alarms:.0f} are called fake, and {alarms:.0f} of those are real."
    )


def _on_calibration(results: Mapping[str, Any]) -> str:
    method = results.get("decision", {}).get("calibration", {}).get("method", "none")
    ece = results["videos"]["metrics"].get("ece")
    if ece is None or (method != "none" and ece < 0.1):
        return ""
    how = "The scores were not calibrated" if method == "none" else f"Though calibrated ({method}), the scores are off"
    return f"That a score of 0.9 means 90 %. {how}: they and the shares of fakes differ by {ece:.2f} on average."


def _on_refused(coverage: Mapping[str, Any]) -> str:
    num_refused = coverage["num_videos"] - coverage["num_judged"]
    if not num_refused:
        return ""
    return (
        f"That every video gets an answer: {num_refused} of {coverage['num_videos']} could not be judged and are in "
        "none of the scores."
    )


# Captions -------------------------------------------------------------------------------------------------------------


def on_confusion(videos: Mapping[str, Any]) -> str:
    """Returns what the confusion matrix shows."""
    (right_real, wrong_real), (wrong_fake, right_fake) = videos["confusion"]
    says = f"{wrong_real} of {right_real + wrong_real} real videos were called fake, "
    says += f"{wrong_fake} of {wrong_fake + right_fake} fakes were missed"
    unsure = sum(own.get("INCONCLUSIVE", 0) for own in videos.get("answers", {}).values())
    if unsure:
        says += f"; {unsure} of them all lie in the inconclusive band and would get no answer"
    found = rates(videos)
    if found is None:
        return f"{says}."
    false_rate, missed = found[0], 1 - found[1]
    if abs(false_rate - missed) < 0.05:
        return f"{says}: both kinds of error are about as frequent."
    worse = "false alarms are" if false_rate > missed else "missed fakes are"
    return f"{says}: at this threshold {worse} the more frequent error."


def on_roc(videos: Mapping[str, Any]) -> str:
    """Returns what the ROC shows."""
    auc, (low, high) = videos["metrics"].get("roc_auc"), interval(videos, "roc_auc")
    strict = videos["metrics"].get("tpr_at_fpr_0_01")
    span = f" (95 %: {low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    says = f"The area is {auc:.3f}{span}; guessing is 0.5."
    if strict is not None:
        says += f" If one real in 100 may be called fake, {percent(strict)} of the fakes are found."
    elif videos["num_real"] < 100:
        says += f" With {videos['num_real']} reals nothing can be said of one false alarm in 100."
    return says


def on_det(videos: Mapping[str, Any]) -> str:
    """Returns what the DET shows."""
    eer = videos["metrics"].get("eer")
    reach = f"It ends where one video more cannot be told: {videos['num_real']} reals, {videos['num_fake']} fakes."
    return reach if eer is None else f"Both errors are as frequent at {percent(eer, 1)} (equal error rate). {reach}"


def on_reliability(videos: Mapping[str, Any], decision: Mapping[str, Any]) -> str:
    """Returns what the reliability diagram shows."""
    bins = videos.get("reliability", [])
    method = decision.get("calibration", {}).get("method", "none")
    ece = videos["metrics"].get("ece")
    off = sum(one["num"] * (one["mean_score"] - one["share_fake"]) for one in bins) / sum(one["num"] for one in bins)
    lean = "too high" if off > 0.02 else "too low" if off < -0.02 else "neither too high nor too low on the whole"
    how = "not calibrated" if method == "none" else f"calibrated on validation videos ({method})"
    error = "" if ece is None else f"they differ from the shares of fakes by {ece:.3f} on average (ECE), and "
    return f"The scores are {how}: {error}are {lean}."


def on_scores(scores: Mapping[str, Sequence[float]], threshold: float) -> str:
    """Returns what the confidence scatter shows."""
    high, low = sum(one >= threshold for one in scores["real"]), sum(one < threshold for one in scores["fake"])
    sure = sum(abs(one - 0.5) > 0.4 for own in scores.values() for one in own)
    number = sum(len(own) for own in scores.values())
    wrong = [one for one in scores["real"] if one > 0.9] + [one for one in scores["fake"] if one < 0.1]
    says = f"{count(high, 'real')} lie at or above the threshold, {count(low, 'fake')} below it."
    return f"{says} {sure} of {number} scores are surer than 0.9, {len(wrong)} of these on the wrong side."


def on_slices(slices: Sequence[Mapping[str, Any]], column: str) -> str:
    """Returns what the bars of a column show."""
    known = [one for one in slices if one["metrics"].get("roc_auc") is not None]
    against = (
        "Fakes of each are held against all reals. " if any(one["against"] == "all reals" for one in known) else ""
    )
    if column == PAIR:
        against = "In a matched pair a fake stands beside its own real: scene and codec do not tell them apart. "
    if len(known) < 2:
        return f"{against}There are too few values of {column} to compare."
    # A value with too few videos for an interval may lie anywhere.
    sure = [one for one in known if interval(one, "roc_auc")[0] is not None]
    known = sure if len(sure) > 1 else known
    worst, best = (pick(known, key=lambda one: one["metrics"]["roc_auc"]) for pick in (min, max))
    (_, worst_high), (best_low, _) = interval(worst, "roc_auc"), interval(best, "roc_auc")
    if worst["metrics"]["roc_auc"] == best["metrics"]["roc_auc"]:
        return f"{against}All have the same AUC, {best['metrics']['roc_auc']:.2f}."
    says = (
        f"{against}Worst is {worst['value']} ({worst['metrics']['roc_auc']:.2f}), best {best['value']} "
        f"({best['metrics']['roc_auc']:.2f})"
    )
    if worst_high is None or best_low is None:
        without = [one["value"] for one, end in ((worst, worst_high), (best, best_low)) if end is None]
        return f"{says}; without an interval of {' and '.join(without)} this may be chance."
    if worst_high < best_low:
        return f"{says}; their intervals do not touch: the difference is more than chance."
    return f"{says}; their intervals overlap: the difference may be chance."


def on_curve(curve: Mapping[str, Any]) -> str:
    """Returns what a robustness curve shows."""
    known = {label: point for label, point in curve["points"].items() if point["change"] is not None}
    if not known:
        return "No AUC can be given."
    label, worst = min(known.items(), key=lambda one: one[1]["change"])
    low, high = worst["change_interval"]
    refused = max(point["num_judged"] for point in curve["points"].values()) - min(
        point["num_judged"] for point in curve["points"].values()
    )
    lost = f" In up to {refused} videos no face is found any more." if refused else ""
    if worst["change"] > -0.005:
        return f"At no strength does the AUC fall.{lost}"
    span = "" if low is None or high is None else f" (95 %: {_signed(low)} to {_signed(high)})"
    sure = "" if high is None or high < 0 else "; the interval holds 0, so this may be chance"
    return (
        f"Most is lost at {label} ({curve['unit']}): the AUC changes by {_signed(worst['change'])}{span}{sure}.{lost}"
    )


def on_robustness(robustness: Mapping[str, Any]) -> str:
    """Returns which degradations hurt and which do not."""
    drops = {}
    for curve in robustness["curves"]:
        sure = [
            point["change"]
            for point in curve["points"].values()
            if point["change"] is not None
            and point["change_interval"][1] is not None
            and point["change_interval"][1] < 0
        ]
        if sure:
            drops[curve["title"]] = min(sure)
    clean = robustness[CLEAN]["roc_auc"]
    start = "" if clean is None else f"As they are, these videos give an AUC of {clean:.2f}. "
    if not drops:
        return f"{start}No degradation costs more AUC than chance could."
    worst = sorted(drops.items(), key=lambda one: one[1])
    named = ", ".join(f"{title} ({_signed(drop)})" for title, drop in worst)
    return f"{start}More than chance costs: {named}, each at its worst strength."
