"""What a probe is told: frozen settings that check themselves and live on as JSON in run.json.

Apart from the probe itself, so that a command can show and check them before it loads TensorFlow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepfake_tf import augment, plugins, recipes, reductions
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import ModelSettings, Settings

JOIN = "+"
NO_TRANSFORM = "none"


@dataclass(frozen=True)
class ProbeSettings(Settings):
    """One probe: all that is needed to build it again, apart from what was fitted.

    Attributes:
        backbone: name of a file in backbones/, or several joined by "+".
        backbone_settings: as in a training; nothing of the backbone is trained, whatever they say.
        transform: what training clips went through, see `load_transform`.
        reduction: see reductions/.
        classifier: name of a file in classifiers/.
        classifier_settings: of its `fit`, chosen by cross-validation over the groups of the split "train".
        seed: of a backbone's new weights, of transforms and of what is fitted.
    """

    backbone: str
    backbone_settings: Mapping[str, Any] = field(default_factory=dict)
    transform: str = NO_TRANSFORM
    reduction: str = "none"
    classifier: str = "logistic_regression"
    classifier_settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        ModelSettings(backbone=self.backbone, backbone_settings=self.backbone_settings)
        check_transform(self.transform)
        reductions.parse(self.reduction)
        plugins.check("classifiers", self.classifier)


@dataclass(frozen=True)
class ProbeSearch(Settings):
    """A table of probes: every backbone with every transform, reduction and classifier.

    Attributes:
        backbones: each a name, or several joined by "+".
        transforms: see `load_transform`.
        reductions: see reductions/.
        classifiers: names of files in classifiers/.
        backbone_settings: of each of the backbones that has any, by its name.
        num_folds: of the cross-validation that chooses a classifier's settings.
        seed: of everything.
    """

    backbones: tuple[str, ...] = ("small_cnn",)
    transforms: tuple[str, ...] = (NO_TRANSFORM,)
    reductions: tuple[str, ...] = ("none", "pca")
    classifiers: tuple[str, ...] = ("logistic_regression", "lda", "svm_linear", "svm_rbf")
    backbone_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    num_folds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("backbones", "transforms", "reductions", "classifiers"):
            chosen = getattr(self, name)
            if not chosen or len(set(chosen)) < len(chosen):
                raise ConfigError(f"{name} must name one or more, each once. Received: {list(chosen)}")
        if not isinstance(self.num_folds, int) or self.num_folds < 2:
            raise ConfigError(f"num_folds must be a whole number of 2 or more. Received: {self.num_folds!r}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"seed must be a whole number of 0 or more. Received: {self.seed!r}")
        unknown = sorted(set(self.backbone_settings) - set(self.backbones))
        if unknown:
            raise ConfigError(
                f"backbone_settings are given by backbone, for {', '.join(self.backbones)}. Received: {unknown[0]!r}"
            )
        # Each of them checks itself.
        self.cells()

    def cells(self) -> list[ProbeSettings]:
        """Returns the probes of the table, in the order in which they share most work."""
        return [
            ProbeSettings(
                backbone=backbone,
                backbone_settings=self.backbone_settings.get(backbone, {}),
                transform=transform,
                reduction=reduction,
                classifier=classifier,
                seed=self.seed,
            )
            for backbone in self.backbones
            for transform in self.transforms
            for reduction in self.reductions
            for classifier in self.classifiers
        ]

    def identity(self) -> dict[str, Any]:
        """Returns what every probe of a folder shares as plain JSON: a folder may get more rows, but not other ones."""
        return {"num_folds": self.num_folds, "seed": self.seed}


def load_transform(name: str) -> tuple[augment.ClipOp, ...]:
    """Returns the ops that training clips go through.

    Args:
        name: of a recipe in recipes/, or else of an op in augment/, which then always happens; several joined by "+"
            happen one after the other.

    Raises:
        ConfigError: there is no such recipe or op.
    """
    return tuple(op for part in name.split(JOIN) for op in _load_part(part))


def check_transform(name: str) -> None:
    """Raises if a transform is not known; imports none.

    Raises:
        ConfigError: there is no such recipe or op.
    """
    known = [*plugins.names("recipes"), *plugins.names("augment")]
    for part in str(name).split(JOIN):
        if part not in known:
            raise ConfigError(
                f"Unknown transform {part!r}. Expected a recipe ({', '.join(plugins.names('recipes'))}) or an op "
                f"({', '.join(plugins.names('augment'))}), or several joined by {JOIN!r}."
            )


def _load_part(name: str) -> Sequence[augment.ClipOp]:
    check_transform(name)
    if name in plugins.names("recipes"):
        return recipes.load_ops(name)
    return (plugins.load("augment", name).Op(probability=1.0),)
