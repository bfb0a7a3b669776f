"""The flags of a training's settings, in groups: the network, the data, the steps, the end, the machine."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import plugins
from deepfake_tf.learning.settings import (
    BALANCES,
    LOSSES,
    MONITORS,
    OPTIMIZERS,
    PRECISIONS,
    RECOMPUTE,
    SCHEDULES,
    XLA,
    TrainSettings,
    read_settings,
)

_GROUPS: dict[str, dict[str, str]] = {
    "network": {
        "backbone": "network over each frame; python -m pipelines.models lists them; a+b sets two side by side",
        "head": "network over time",
        "backbone_settings": 'JSON, such as {"channels": [16, 32]}',
        "head_settings": 'JSON, such as {"units": 64}',
        "dropout": "share dropped before the logit",
    },
    "what is learned from": {
        "num_frames": "of a clip, if fewer than are stored: a random stretch every time; 0 for all",
        "recipe": "augmentation",
        "balance": "how the classes are evened out: weights in the loss, or what is drawn into a batch",
        "blended_share": "share of the fakes that are made from real clips by self-blending",
        "mixed_share": "share of the fakes that are mixed with their own real (with balance pairs)",
        "dataset_weights": 'JSON, how often each data set is drawn from, such as {"dfdc": 2, "own": 1}',
        "loss": "focal: clips that are right already weigh little",
        "focal_gamma": "how little they weigh; of loss focal",
        "label_smoothing": "labels are half of it away from 0 and 1",
    },
    "steps": {
        "batch_size": "clips per step, over all devices",
        "accumulate": "steps whose gradients are gathered before the weights change: a larger batch in little memory",
        "optimizer": "sgd: with momentum; adamw: with weight decay",
        "learning_rate": "highest rate, for the whole batch, whatever the number of devices",
        "momentum": "of sgd",
        "weight_decay": "of adamw, times the rate",
        "warmup_epochs": "in which the rate rises evenly; may be a part of one, such as 0.5",
        "schedule": "the rate afterwards; cosine: down to 0 at the end of --epochs",
        "clip_norm": "largest norm of all gradients together, such as 1; 0 for no limit",
        "ema": "keep a moving average of the weights, of which this share stays at a change, such as 0.999; 0: none",
        "freeze_epochs": "the backbone keeps still in the first so many epochs, while the head learns",
        "backbone_rate": "the backbone's learning rate as a share of the head's, such as 0.1",
    },
    "the end, and what is kept": {
        "epochs": "passes over the training clips, at most",
        "patience": "epochs without a better monitor after which training stops, 0 for never",
        "monitor": "what chooses the best epoch, whose weights are kept: log loss or AUC, of clips or of videos",
    },
    "machine": {
        "precision": "in which the backbone calculates while training",
        "recompute": "blocks: less memory for a step, for a third more work",
        "xla": "compile the step with XLA; auto: on one GPU",
        "deterministic": "the same result each time to the bit, on a GPU too, where it costs time",
        "seed": "of weights, order, augmentation and dropout",
    },
}

_CHOICES = {
    "monitor": tuple(MONITORS),
    "balance": BALANCES,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "recompute": RECOMPUTE,
    "xla": XLA,
}


def add_flags(parser: argparse.ArgumentParser, *, without: Sequence[str] = ()) -> None:
    """Adds a flag for each training setting; one that is not given leaves no trace in the parsed arguments.

    Args:
        parser: gets the flags.
        without: names of settings that get none. Where all have one, there is also --settings, which they change.
    """
    if not without:
        parser.add_argument(
            "--settings", type=Path, metavar="RUN_JSON", help="take the settings of this run.json first"
        )
    choices = {**_CHOICES, "head": plugins.names("heads"), "recipe": plugins.names("recipes")}
    for title, flags in _GROUPS.items():
        group = parser.add_argument_group(title)
        for name, text in flags.items():
            if name not in without:
                default = getattr(TrainSettings(), name)
                kind = _kind(default) | ({"choices": choices[name]} if name in choices else {})
                text = f"{text} (default: {json.dumps(default)})"
                group.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=text, **kind)


def from_flags(arguments: argparse.Namespace) -> TrainSettings:
    """Returns the settings that were given as flags; the others are those of --settings, or the defaults.

    Raises:
        ConfigError: a setting makes no sense, or there is no such run.json.
    """
    known = {one.name for one in dataclasses.fields(TrainSettings)}
    given = {name: value for name, value in vars(arguments).items() if name in known}
    path = getattr(arguments, "settings", None)
    return dataclasses.replace(read_settings(path) if path else TrainSettings(), **given)


def _kind(default: Any) -> dict[str, Any]:
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction}
    return {"type": _json_object if isinstance(default, dict) else type(default)}


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value
