"""What a training is told: frozen settings that check themselves and live on as JSON in run.json.

Apart from the training itself, so that a command can show and check them before it loads TensorFlow.
"""

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.schema import ClipSpec

RUN_VERSION = 1
"""Format of run.json."""

MONITORS = {"val_loss": "min", "val_auc": "max", "val_video_loss": "min", "val_video_auc": "max"}
"""What chooses the best epoch: log loss or ROC AUC, over clips or over videos, and which way is better."""

Balance = Literal["weights", "none", "class", "method", "group", "pairs"]
BALANCES: tuple[str, ...] = get_args(Balance)
"""How the classes are evened out: by their weight in the loss, not at all, or by what is drawn, see sampling.py."""

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
RECOMPUTE = ("none", "blocks")
XLA = ("auto", "on", "off")


@dataclass(frozen=True)
class ModelSettings:
    """All that is needed to build the same network again.

    Attributes:
        backbone: name of a file in backbones/, or several joined by "+".
        head: name of a file in heads/.
        num_frames: T, frames of a clip.
        image_size: H = W of the crops in pixels.
        backbone_settings: keyword arguments of the backbone's `build`, and "trainable": "all", "none", "norms",
            "last:N" blocks or "lora:RANK"; for several joined by "+", those of each, by its name.
        head_settings: keyword arguments of the head's `build`.
        dropout: share dropped before the logit while training, in [0, 1).
    """

    backbone: str = "small_cnn"
    head: str = "lstm"
    num_frames: int = 8
    image_size: int = 128
    backbone_settings: Mapping[str, Any] = field(default_factory=dict)
    head_settings: Mapping[str, Any] = field(default_factory=dict)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        _check_backbone(self.backbone)
        plugins.check("heads", self.head)
        _check_share(self, "dropout")
        _check_whole(self, 1, "num_frames", "image_size")
        _check_objects(self, "backbone_settings", "head_settings")

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Returns the settings that `to_json` wrote.

        Raises:
            ConfigError: a setting is unknown or makes no sense.
        """
        _check_known(cls, values)
        return cls(**values)


@dataclass(frozen=True)
class TrainSettings:
    """All that a training is told, apart from where its data lie.

    Attributes:
        backbone: name of a file in backbones/, or several joined by "+".
        head: name of a file in heads/.
        backbone_settings: keyword arguments of the backbone's `build`, and "trainable": "all", "none", "norms",
            "last:N" blocks or "lora:RANK"; for several joined by "+", those of each, by its name.
        head_settings: keyword arguments of the head's `build`.
        dropout: share dropped before the logit while training, in [0, 1).
        recipe: name of a file in recipes/, the augmentation.
        batch_size: clips per step.
        learning_rate: Adam's.
        epochs: passes over the training clips, at most.
        patience: epochs without a better `monitor` after which training stops; 0 never stops early.
        monitor: what chooses the best epoch, one of MONITORS.
        balance: "weights": every clip once an epoch, and both classes weigh the same in the loss; "none"; "class":
            as many fakes as reals in every batch; "method", "group": likewise, each as often as the others; "pairs":
            every fake beside its own real.
        blended_share: share of the fakes that are made from real clips by self-blending, in [0, 1].
        mixed_share: share of the fakes that are mixed with their own real, in [0, 1]; only with balance "pairs".
        dataset_weights: how often each data set of the manifest is drawn from; empty for all clips alike.
        num_frames: T, if fewer than the clips have: a random stretch of each clip every time; 0 for all.
        precision: in which the backbone calculates while training, one of PRECISIONS; served models are float32.
        recompute: "blocks": keep less of a step in memory, and calculate it twice; "none".
        xla: compile the step with XLA: "on", "off", or "auto" for on a GPU alone.
        seed: of the initial weights, the order of clips, augmentation and dropout.
    """

    backbone: str = "small_cnn"
    head: str = "lstm"
    backbone_settings: Mapping[str, Any] = field(default_factory=dict)
    head_settings: Mapping[str, Any] = field(default_factory=dict)
    dropout: float = 0.2
    recipe: str = "basic"
    batch_size: int = 16
    learning_rate: float = 1e-3
    epochs: int = 30
    patience: int = 8
    monitor: str = "val_loss"
    balance: Balance = "weights"
    blended_share: float = 0.0
    mixed_share: float = 0.0
    dataset_weights: Mapping[str, float] = field(default_factory=dict)
    num_frames: int = 0
    precision: str = "float32"
    recompute: str = "none"
    xla: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        _check_backbone(self.backbone)
        plugins.check("heads", self.head)
        plugins.check("recipes", self.recipe)
        _check_objects(self, "backbone_settings", "head_settings", "dataset_weights")
        _check_share(self, "dropout")
        _check_whole(self, 1, "batch_size", "epochs")
        _check_whole(self, 0, "patience", "num_frames", "seed")
        _check_choice(self, "monitor", tuple(MONITORS))
        _check_choice(self, "balance", BALANCES)
        _check_choice(self, "precision", PRECISIONS)
        _check_choice(self, "recompute", RECOMPUTE)
        _check_choice(self, "xla", XLA)
        _check_share(self, "blended_share", most=1.0)
        _check_share(self, "mixed_share", most=1.0)
        _check_drawn(self)
        if not isinstance(self.learning_rate, (int, float)) or not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate must be above 0. Received: learning_rate={self.learning_rate!r}")

    def model(self, spec: ClipSpec) -> ModelSettings:
        """Returns the settings of the model for clips of this spec."""
        return ModelSettings(
            backbone=self.backbone,
            head=self.head,
            num_frames=self.num_frames or spec.num_frames,
            image_size=spec.crop_size_px,
            backbone_settings=self.backbone_settings,
            head_settings=self.head_settings,
            dropout=self.dropout,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Returns the settings that `to_json` wrote.

        Raises:
            ConfigError: a setting is unknown or makes no sense.
        """
        _check_known(cls, values)
        return cls(**values)


def add_flags(parser: argparse.ArgumentParser, *, without: Sequence[str] = ()) -> None:
    """Adds a flag for each training setting; one that is not given leaves no trace in the parsed arguments.

    Args:
        parser: gets the flags.
        without: names of settings that get none.
    """
    group = parser.add_argument_group("settings")
    choices = {
        "head": plugins.names("heads"),
        "recipe": plugins.names("recipes"),
        "monitor": list(MONITORS),
        "balance": list(BALANCES),
        "precision": list(PRECISIONS),
        "recompute": list(RECOMPUTE),
        "xla": list(XLA),
    }
    for name, text in _FLAGS.items():
        if name in without:
            continue
        default = getattr(TrainSettings(), name)
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=_json_object if isinstance(default, dict) else type(default),
            choices=choices.get(name),
            default=argparse.SUPPRESS,
            help=f"{text} (default: {json.dumps(default)})",
        )


def from_flags(arguments: argparse.Namespace, base: TrainSettings) -> TrainSettings:
    """Returns `base` with the settings that were given as flags.

    Raises:
        ConfigError: a setting makes no sense.
    """
    given = {name: value for name, value in vars(arguments).items() if name in _FLAGS}
    return dataclasses.replace(base, **given)


_FLAGS = {
    "backbone": "network over each frame; python -m pipelines.models lists them; a+b sets two side by side",
    "head": "network over time",
    "backbone_settings": 'JSON, such as {"channels": [16, 32]}',
    "head_settings": 'JSON, such as {"units": 64}',
    "dropout": "share dropped before the logit",
    "recipe": "augmentation",
    "batch_size": "clips per step",
    "learning_rate": "of Adam",
    "epochs": "passes over the training clips, at most",
    "patience": "epochs without a better monitor after which training stops, 0 for never",
    "monitor": "what chooses the best epoch",
    "balance": "how the classes are evened out",
    "blended_share": "share of the fakes that are made from real clips by self-blending",
    "mixed_share": "share of the fakes that are mixed with their own real (with balance pairs)",
    "dataset_weights": 'JSON, how often each data set is drawn from, such as {"dfdc": 2, "own": 1}',
    "num_frames": "of a clip, if fewer than are stored: a random stretch every time; 0 for all",
    "precision": "in which the backbone calculates while training",
    "recompute": "blocks: less memory for a step, for a third more work",
    "xla": "compile the step with XLA; auto: on a GPU",
    "seed": "of weights, order and augmentation",
}


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def read_settings(path: Path | str) -> TrainSettings:
    """Reads the settings of a run.json, and nothing else of it.

    Args:
        path: a run.json, or a folder that holds one.

    Raises:
        ConfigError: there is no such file, or it holds no settings of this version.
    """
    return TrainSettings.from_json(read_run(path)["settings"])


def read_run(path: Path | str) -> dict[str, Any]:
    """Reads a run.json: {format_version, settings, environment, data, result}.

    Args:
        path: a run.json, or a folder that holds one.

    Raises:
        ConfigError: there is no such file, it is no run.json, or one of another version.
    """
    path = Path(path)
    path = path / "run.json" if path.is_dir() else path
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no {path}. Expected the run.json of a finished training or tuning.") from error
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as JSON ({error}). Expected a run.json.") from error
    if not isinstance(values, dict) or not isinstance(values.get("settings"), dict):
        raise ConfigError(f'{path} holds no "settings". Expected a run.json as train and tune write it.')
    if values.get("format_version") != RUN_VERSION:
        raise ConfigError(
            f"{path} has format version {values.get('format_version')!r}; this program reads version {RUN_VERSION}. "
            "Train again, or use the release that wrote it."
        )
    return values


def _check_known(kind: type, values: Mapping[str, Any]) -> None:
    known = {one.name for one in dataclasses.fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            f"Unknown settings in {kind.__name__}: {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
        )


def _check_backbone(name: str) -> None:
    names = str(name).split("+")
    for one in names:
        plugins.check("backbones", one)
    if len(set(names)) < len(names):
        raise ConfigError(f"A backbone can be joined to others, not to itself. Received: backbone={name!r}")


def _check_whole(settings: object, low: int, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise ConfigError(f"{name} must be a whole number of {low} or more. Received: {name}={value!r}")


def _check_share(settings: object, name: str, *, most: float = math.nextafter(1.0, 0.0)) -> None:
    value = getattr(settings, name)
    if not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise ConfigError(f"{name} must lie in [0, 1{']' if most == 1 else ')'}. Received: {name}={value!r}")


def _check_drawn(settings: TrainSettings) -> None:
    """What is drawn in shares needs a balance that draws."""
    if settings.balance in ("weights", "none") and (settings.blended_share or settings.dataset_weights):
        raise ConfigError('blended_share and dataset_weights need a balance that draws, such as "class" or "pairs".')
    if settings.mixed_share and settings.balance != "pairs":
        raise ConfigError(f'mixed_share needs balance "pairs". Received: balance={settings.balance!r}')


def _check_choice(settings: object, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(settings, name)
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}. Received: {name}={value!r}")


def _check_objects(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, Mapping):
            raise ConfigError(f'{name} must be a JSON object such as {{"units": 64}}. Received: {name}={value!r}')
