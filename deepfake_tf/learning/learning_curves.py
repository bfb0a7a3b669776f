"""The curves of a training, and what they say in words: whether it overfits, has stopped learning, or was cut short."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.learning.history import Epoch, best_epoch
from deepfake_tf.learning.settings import MONITORS, TrainSettings
from deepfake_tf.reporting import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES_FILE = "curves.png"

_FEWEST = 4
"""Epochs below which curves say nothing."""
_GAP_LOSS, _GAP_AUC = 0.15, 0.10
"""Differences of log loss and of AUC, validation against training, that are called a gap."""
_IS_OTHER = 0.05
"""An AUC this much above that of the kept epoch is told."""
_IS_PLATEAU = 0.01
"""Less than this of a log loss or an AUC gained in the last third of the epochs is called none."""


def read(history: Sequence[Epoch], settings: TrainSettings) -> list[str]:
    """Returns sentences on what the curves say.

    They are rules of thumb over one run: another seed may say another thing.

    Args:
        history: all epochs.
        settings: those of the training.
    """
    rows = list(history)
    if settings.monitor not in rows[-1]:
        return ["Nothing was validated, so nothing can be said of new videos; the last epoch was kept."]
    best = best_epoch(rows, settings.monitor)
    if len(rows) < _FEWEST:
        return [f"{len(rows)} epochs are too few to read curves from."]
    return [*_gap(best), *_learning(rows, settings, best), *_noise(rows, settings), *_ranking(rows, settings, best)]


def _gap(best: Epoch) -> list[str]:
    loss, auc = best["val_loss"] - best["train_loss"], best["train_auc"] - best["val_auc"]
    at = f"At the best epoch ({best['epoch']:.0f}) "
    figures_ = (
        f"log loss is {best['train_loss']:.3f} on training clips and {best['val_loss']:.3f} on validation clips, "
        f"AUC {best['train_auc']:.3f} and {best['val_auc']:.3f}"
    )
    if math.isnan(auc):
        return [f"{at}{figures_}."]
    if loss > _GAP_LOSS or auc > _GAP_AUC:
        return [f"{at}{figures_}: a gap. The network knows its training clips better than new ones."]
    return [f"{at}{figures_}: no large gap, though augmentation and dropout make training clips the harder ones."]


def _learning(rows: list[Epoch], settings: TrainSettings, best: Epoch) -> list[str]:
    number, last = int(best["epoch"]), len(rows)
    falls = rows[-1]["train_loss"] < best["train_loss"] - _IS_PLATEAU
    if number >= last - 1 and last >= settings.epochs:
        return [f"The best epoch is {'the last' if number == last else 'near the end'}: more --epochs may still help."]
    # A rise no larger than what the curve does from epoch to epoch is none.
    if falls and rows[-1]["val_loss"] > best["val_loss"] + max(_IS_PLATEAU, _jump(rows, "val_loss")):
        return [
            f"After epoch {number} log loss still falls on training clips and rises on validation clips: overfitting."
        ]
    late = _values(rows, "train_loss")[-max(2, last // 3) :]
    if late[0] - late[-1] < _IS_PLATEAU:
        return ["The training loss has stopped falling: a plateau. A rate that falls (--schedule cosine) may help."]
    more = " The training loss still falls: more --epochs may help." if falls and last >= settings.epochs else ""
    return [f"Nothing better came in the {last - number} epochs after the best one.{more}"]


def _noise(rows: list[Epoch], settings: TrainSettings) -> list[str]:
    spread = _jump(rows, settings.monitor)
    gain = abs(rows[0][settings.monitor] - best_epoch(rows, settings.monitor)[settings.monitor])
    if spread <= max(0.01, 0.25 * gain):
        return []
    return [
        f"{settings.monitor} jumps by {spread:.3f} from epoch to epoch: which one is the best is partly luck. "
        "More validation videos, or --ema 0.99, make it steadier."
    ]


def _jump(rows: list[Epoch], name: str) -> float:
    """Returns what an epoch does against the mean of its neighbours: noise, if the curve is smooth otherwise."""
    values = _values(rows, name)
    return float(np.median(np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)))


def _ranking(rows: list[Epoch], settings: TrainSettings, best: Epoch) -> list[str]:
    found = []
    top = max(rows, key=lambda row: row["val_auc"])
    if MONITORS[settings.monitor] == "min" and top["val_auc"] > best["val_auc"] + _IS_OTHER:
        found.append(
            f"Clips were told apart better at epoch {top['epoch']:.0f} (AUC {top['val_auc']:.3f} against "
            f"{best['val_auc']:.3f}), though with a worse log loss: --monitor val_auc would keep that one, and "
            "calibration can mend its log loss."
        )
    if best["val_auc"] <= 0.6:
        found.append(f"A validation AUC of {best['val_auc']:.3f} is little above chance.")
    return found


def _values(rows: Sequence[Epoch], name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows], np.float64)


# The picture ---------------------------------------------------------------------------------------------------------


def write(run_dir: Path, history: Sequence[Epoch], settings: TrainSettings, reading: Sequence[str]) -> None:
    """Writes curves.png: losses and AUCs over the epochs, the best one marked, and the reading below.

    Args:
        run_dir: the run's folder.
        history: all epochs.
        settings: those of the training.
        reading: what `read` says.
    """
    atomic.write_whole(run_dir / CURVES_FILE, draw(history, settings, reading))


@figures.styled
def draw(history: Sequence[Epoch], settings: TrainSettings, reading: Sequence[str]) -> bytes:
    """Returns the picture as a PNG file."""
    import textwrap

    lines = [line for text in reading for line in textwrap.wrap(text, 138)]
    height_in = 3.9 + 0.19 * len(lines)
    figure = figures.new_figure(9.6, height_in)
    # The words have their own lines below the axes.
    figure.set_layout_engine(
        "constrained", rect=(0, (0.1 + 0.175 * len(lines)) / height_in, 1, 1 - (0.1 + 0.175 * len(lines)) / height_in)
    )
    best = best_epoch(list(history), settings.monitor)
    left, right = figure.subplots(1, 2)
    _draw_curves(left, history, {"train_loss": "training", "val_loss": "validation, clips", "val_video_loss": "videos"})
    left.set(title="Log loss", ylabel="lower is better")
    left.set_ylim(bottom=0)
    _draw_curves(right, history, {"train_auc": "training", "val_auc": "validation, clips", "val_video_auc": "videos"})
    right.set(title="ROC AUC", ylabel="higher is better", ylim=(min(0.45, *right.get_ylim()), 1.02))
    right.axhline(0.5, color=figures.SOFT, linewidth=0.8, linestyle=":")
    right.annotate("chance", (1, 0.5), (0, 3), textcoords="offset points", fontsize=8, color=figures.SOFT)
    for axes in (left, right):
        axes.axvline(best["epoch"], color=figures.SOFT, linewidth=1, linestyle="--")
    if settings.monitor in best:
        chosen = left if MONITORS[settings.monitor] == "min" else right
        chosen.plot([best["epoch"]], [best[settings.monitor]], "o", color=figures.INK, markersize=7, fillstyle="none")
    left.annotate(
        f"kept: epoch {best['epoch']:.0f}",
        (best["epoch"], left.get_ylim()[1]),
        (4, -9),
        textcoords="offset points",
        fontsize=8,
        color=figures.SOFT,
    )
    right.legend(loc="best")
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=9, va="bottom", ha="left")
    return figures.to_png(figure)


def _draw_curves(axes: "Axes", history: Sequence[Epoch], names: dict[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    looks = zip(names.items(), (figures.SOFT, figures.FAKE_COLOUR, figures.REAL_COLOUR), ("-", "-", "--"), strict=True)
    for (name, label), colour, line in looks:
        if name in history[-1]:
            marker = "o" if len(history) < 3 else ""
            axes.plot(_values(history, "epoch"), _values(history, name), line, color=colour, label=label, marker=marker)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
