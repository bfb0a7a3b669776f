"""Results of an evaluation as report.json holds them, made of scores that a seed draws."""

import numpy as np
import sklearn.metrics

METHODS = ("swap", "blend", "reenactment")


def rows_of(num_each=24, *, seed=0, apart=1.6):
    """Rows of video_scores.csv: as many reals as fakes, four videos a group, and one that was refused."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(2 * num_each):
        is_fake = number % 2 == 1
        logit = float(rng.normal(apart * (1 if is_fake else -1), 1.8))
        rows.append(
            {
                "video_id": f"{'fake' if is_fake else 'real'}/person_{number:03d}",
                "group": f"g{number // 4}",
                "outcome": "OK",
                "reason": "",
                "logit": logit,
                "score": 1 / (1 + np.exp(-logit)),
                "label": "fake" if is_fake else "real",
                "method": METHODS[number // 2 % len(METHODS)] if is_fake else "",
            }
        )
    lost = {"video_id": "lost", "group": "g0", "outcome": "NO_FACE", "reason": "No face was found.", "label": "real"}
    return [*rows, {**lost, "logit": "", "score": "", "method": ""}]


def measures(rows, *, threshold=0.5, band=0.0):
    """What report.json holds of one level."""
    labels = np.array([row["label"] == "fake" for row in rows], int)
    scores = np.array([row["score"] for row in rows], float)
    both = len(set(labels.tolist())) == 2
    auc = float(sklearn.metrics.roc_auc_score(labels, scores)) if both else None
    fpr, tpr, _ = sklearn.metrics.roc_curve(labels, scores) if both else ([], [], [])
    answer = np.where(np.abs(scores - threshold) < band, 2, scores >= threshold)
    names = ("REAL", "FAKE", "INCONCLUSIVE")
    edges = np.linspace(0, 1, 11)
    bins = [
        {
            "low": low,
            "high": high,
            "num": int(own.sum()),
            "mean_score": scores[own].mean(),
            "share_fake": labels[own].mean(),
        }
        for low, high in zip(edges, edges[1:], strict=False)
        if (own := (scores >= low) & (scores < high + (high == 1))).any()
    ]
    return {
        "num_real": int(np.sum(labels == 0)),
        "num_fake": int(np.sum(labels == 1)),
        "num_groups": len({row["group"] for row in rows}),
        "threshold": threshold,
        "band": band,
        "metrics": {
            "roc_auc": auc,
            "accuracy": float(np.mean((scores >= threshold) == labels)),
            "balanced_accuracy": float(np.mean((scores >= threshold) == labels)) if both else None,
            "ece": 0.08,
            "eer": 0.2 if both else None,
            "tpr_at_fpr_0_001": None,
        },
        "intervals": {"roc_auc": [auc - 0.08, min(auc + 0.07, 1.0)] if both else [None, None], "accuracy": [0.7, 0.9]},
        "notes": {"tpr_at_fpr_0_001": "needs 1,000 reals or more to see so low a rate"},
        "confusion": [[int(np.sum((labels == i) & ((scores >= threshold) == j))) for j in (0, 1)] for i in (0, 1)],
        "answers": {
            name: {what: int(np.sum((labels == i) & (answer == j))) for j, what in enumerate(names)}
            for i, name in enumerate(("real", "fake"))
        },
        "roc": {"fpr": list(map(float, fpr)), "tpr": list(map(float, tpr)), "thresholds": []},
        "reliability": bins,
    }


def results_of(rows, *, threshold=0.5, band=0.0):
    """What report.json holds."""
    judged = [row for row in rows if row["score"] != ""]
    level = measures(judged, threshold=threshold, band=band)
    refused = len(rows) - len(judged)
    slices = []
    for method in METHODS:
        own = [row for row in judged if row["method"] in ("", method)]
        if any(row["method"] for row in own):
            coverage = {"num_videos": len(own), "num_judged": len(own), "share_judged": 1.0, "refused": {}}
            slices.append({"value": method, "against": "all reals", "coverage": coverage, **measures(own)})
    calibration = {"method": "none", "scale": 1.0, "offset": 0.0, "logits": [], "scores": []}
    return {
        "format_version": 2,
        "command": "python -m pipelines.evaluate runs/one 'data/<clips>' --split test",
        "run_path": "runs/one",
        "run": {
            "settings": {"backbone": "small_cnn", "head": "lstm", "seed": 3},
            "environment": {"keras": "3.15.1", "numpy": "2.4"},
            "data": {"path": "data/clips", "fingerprint": "aaaa"},
            "result": {"best_epoch": 4, "num_epochs": 9, "monitor": "val_loss"},
        },
        "data": {"path": "data/<clips>", "fingerprint": "bbbb", "split": "test"},
        "decision": {
            "joining": "mean",
            "calibration": calibration,
            "threshold": threshold,
            "band": band,
            "chosen_on": None,
        },
        "coverage": {
            "num_videos": len(rows),
            "num_judged": len(judged),
            "share_judged": len(judged) / len(rows),
            "refused": {"NO_FACE": refused} if refused else {},
        },
        "clips": level,
        "tracks": level,
        "videos": level,
        "by": {"method": slices} if slices else {},
    }
