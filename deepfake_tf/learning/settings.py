"""What a training is told: frozen settings that check themselves and live on as JSON in run.json.

Apart from the training itself, so that a command can show and check them before it loads TensorFlow.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.schema import ClipSpec

RUN_VERSION = 2
"""Format of run.json."""

PROBE = "probe"
"""The "kind" in the run.json of a probe, see probe_settings.py; that of a training is another."""

MONITORS = {"val_loss": "min", "val_auc": "max", "val_video_loss": "min", "val_video_auc": "max"}
"""What chooses the best epoch: log loss or ROC AUC, over clips or over videos, and which way is better."""

Balance = Literal["weights", "none", "class", "method", "group", "pairs"]
BALANCES: tuple[str, ...] = get_args(Balance)
"""How the classes are evened out: by their weight in the loss, not at all, or by what is drawn, see sampling.py."""

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine")
LOSSES = ("cross_entropy", "focal")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
RECOMPUTE = ("none", "blocks")
XLA = ("auto", "on", "off")


@dataclass(frozen=True)
class Settings:
    """What outlives a process: frozen, checked by itself, and plain JSON."""

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Returns the settings that `to_json` wrote.

        Raises:
            ConfigError: a setting is unknown or makes no sense.
        """
        known = {one.name for one in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                f"Unknown settings in {cls.__name__}: {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
            )
        return cls(**values)


@dataclass(frozen=True)
class ModelSettings(Settings):
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


@dataclass(frozen=True)
class TrainSettings(Settings):
    """All that a training is told, apart from where its data lie.

    Attributes:
        backbone: name of a file in backbones/, or several joined by "+".
        head: name of a file in heads/.
        backbone_settings: keyword arguments of the backbone's `build`, and "trainable": "all", "none", "norms",
            "last:N" blocks or "lora:RANK"; for several joined by "+", those of each, by its name.
        head_settings: keyword arguments of the head's `build`.
        dropout: share dropped before the logit while training, in [0, 1).
        recipe: name of a file in recipes/, the augmentation.
        loss: "cross_entropy", or "focal", in which clips that are right already weigh little; one of LOSSES.
        focal_gamma: how little, 0 or more; of "focal" only.
        label_smoothing: labels are half of it away from 0 and 1, in [0, 1).
        batch_size: clips per step, over all devices.
        accumulate: steps whose gradients are gathered before the weights change: as if the batch were so many times
            larger, in the memory of one.
        optimizer: one of OPTIMIZERS.
        learning_rate: the highest rate, for the batch as a whole; not changed by the number of devices.
        momentum: of "sgd" only, in [0, 1).
        weight_decay: of "adamw" only: a change takes this share of each weight away, times the rate; not of biases
            and scales.
        warmup_epochs: in which the rate rises evenly; 0.5 is half an epoch.
        schedule: the rate after that: "constant", or "cosine", down to 0 at the end of the last epoch.
        clip_norm: the largest norm of all gradients together; longer ones are shortened. 0 for no limit.
        ema: share of the moving average of the weights that stays at a change, in [0, 1): the average is validated
            and kept. 0 for the weights themselves.
        freeze_epochs: the backbone keeps still in the first so many epochs.
        backbone_rate: the backbone's learning rate, as a share of the rest's.
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
        xla: compile the step with XLA: "on", "off", or "auto" for on one GPU.
        deterministic: the same result each time to the bit, on a GPU too, where it costs time.
        seed: of the initial weights, the order of clips, augmentation and dropout.
    """

    backbone: str = "small_cnn"
    head: str = "lstm"
    backbone_settings: Mapping[str, Any] = field(default_factory=dict)
    head_settings: Mapping[str, Any] = field(default_factory=dict)
    dropout: float = 0.2
    recipe: str = "basic"
    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0
    batch_size: int = 16
    accumulate: int = 1
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.01
    warmup_epochs: float = 0.0
    schedule: str = "constant"
    clip_norm: float = 0.0
    ema: float = 0.0
    freeze_epochs: int = 0
    backbone_rate: float = 1.0
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
    deterministic: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _check_backbone(self.backbone)
        plugins.check("heads", self.head)
        plugins.check("recipes", self.recipe)
        _check_objects(self, "backbone_settings", "head_settings", "dataset_weights")
        for name in ("dropout", "label_smoothing", "momentum", "ema"):
            _check_share(self, name)
        _check_whole(self, 1, "batch_size", "epochs", "accumulate")
        _check_whole(self, 0, "patience", "num_frames", "seed", "freeze_epochs")
        for name in ("focal_gamma", "weight_decay", "warmup_epochs", "clip_norm"):
            _check_number(self, name)
        _check_number(self, "learning_rate", above=True)
        _check_number(self, "backbone_rate", above=True)
        _check_choice(self, "loss", LOSSES)
        _check_choice(self, "optimizer", OPTIMIZERS)
        _check_choice(self, "schedule", SCHEDULES)
        _check_choice(self, "monitor", tuple(MONITORS))
        _check_choice(self, "balance", BALANCES)
        _check_choice(self, "precision", PRECISIONS)
        _check_choice(self, "recompute", RECOMPUTE)
        _check_choice(self, "xla", XLA)
        _check_share(self, "blended_share", most=1.0)
        _check_share(self, "mixed_share", most=1.0)
        _check_drawn(self)
        _check_epochs(self)

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


def read_settings(path: Path | str) -> TrainSettings:
    """Reads the settings of a run.json, and nothing else of it.

    Args:
        path: a run.json, or a folder that holds one.

    Raises:
        ConfigError: there is no such file, or it holds no settings of a training, or of another version.
    """
    run = read_run(path)
    if run.get("kind") == PROBE:
        raise ConfigError(
            f"{path} holds a probe, {describe_network(run['settings'])}, whose settings a training cannot follow. "
            "Expected the run.json of a training or a tuning; pipelines.probe makes probes."
        )
    return TrainSettings.from_json(run["settings"])


def describe_network(settings: Mapping[str, Any]) -> str:
    """Returns in words what a run is of: "small_cnn + lstm", or of a probe "clip_vit_l14 + pca:16 + svm_rbf".

    Args:
        settings: of its run.json.
    """
    parts = [settings[key] for key in ("backbone", "head", "reduction", "classifier") if key in settings]
    return " + ".join(part for part in parts if part != "none")


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


def _check_number(settings: object, name: str, *, above: bool = False) -> None:
    value = getattr(settings, name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0 or (above and value == 0):
        raise ConfigError(f"{name} must be {'above 0' if above else '0 or more'}. Received: {name}={value!r}")


def _check_epochs(settings: TrainSettings) -> None:
    if settings.warmup_epochs > settings.epochs:
        raise ConfigError(f"warmup_epochs must not be above epochs={settings.epochs}: {settings.warmup_epochs:g}")
    if not isinstance(settings.deterministic, bool):
        raise ConfigError(f"deterministic must be true or false. Received: {settings.deterministic!r}")


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
