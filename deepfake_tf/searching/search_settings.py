"""What a search is told: how to search, and what to draw each setting from.

Apart from the search itself, so that a command can check it before it loads TensorFlow.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError

TUNERS = ("hyperband", "random", "bayesian", "grid")

DRAWN = (
    *("backbone", "head", "backbone_settings", "head_settings", "dropout", "recipe"),
    *("batch_size", "learning_rate", "loss", "label_smoothing"),
)
"""The settings of a training that every search draws, and so no flag fixes; one value in the space does."""

Value = str | int | float | bool


@dataclass(frozen=True)
class Between:
    """A range that a number is drawn from, both ends included."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ConfigError(f"A range begins with its lower end. Received: {self.low:g}:{self.high:g}")


Domain = tuple[Value, ...] | Between
"""What a setting is drawn from: some values, or a range of numbers."""


@dataclass(frozen=True)
class SearchSettings:
    """How a tuning searches, and from what.

    Attributes:
        tuner: one of TUNERS.
        max_trials: how many trials, at most.
        backbones: names of files in backbones/.
        heads: names of files in heads/.
        recipes: names of files in recipes/.
        space: by name, what to draw from instead of what search_space.py and the plugins say, such as
            {"learning_rate": Between(1e-4, 1e-3), "small_cnn.width": (16, 32)}. One value alone is not drawn.
    """

    tuner: str = "hyperband"
    max_trials: int = 10
    backbones: tuple[str, ...] = ("small_cnn",)
    heads: tuple[str, ...] = ("lstm", "mean")
    recipes: tuple[str, ...] = ("basic",)
    space: Mapping[str, Domain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.tuner not in TUNERS:
            raise ConfigError(f"tuner must be one of {', '.join(TUNERS)}. Received: tuner={self.tuner!r}")
        if not isinstance(self.max_trials, int) or self.max_trials < 1:
            raise ConfigError(f"max_trials must be a whole number of 1 or more. Received: {self.max_trials!r}")
        for kind in ("backbones", "heads", "recipes"):
            if not getattr(self, kind):
                raise ConfigError(f"A search space needs at least one of {kind} to choose from.")
            for name in getattr(self, kind):
                plugins.check(kind, name)
        for name, domain in self.space.items():
            if not domain:
                raise ConfigError(f"The search space has no value for {name}. Expected one or more.")

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def parse_space(words: Sequence[str]) -> dict[str, Domain]:
    """Reads a part of a search space as it is typed.

    Args:
        words: such as "learning_rate=1e-4:1e-3", "batch_size=8,16", "small_cnn.width=32".

    Raises:
        ConfigError: a word is none such, or a name comes twice.
    """
    space: dict[str, Domain] = {}
    for word in words:
        name, _, text = word.partition("=")
        values = [one.strip() for one in text.split(",")]
        if not name or not all(values):
            raise ConfigError(
                f"A search space is typed as NAME=VALUE,VALUE or NAME=LOW:HIGH, such as batch_size=8,16 or "
                f"learning_rate=1e-4:1e-3. Received: {word!r}"
            )
        if name in space:
            raise ConfigError(f"{name} is in the search space twice. Expected all its values in one NAME=VALUE,VALUE.")
        space[name] = _range(word, values[0]) if ":" in text else tuple(_value(one) for one in values)
    return space


def _range(word: str, text: str) -> Between:
    ends = [_value(end) for end in text.split(":")]
    numbers = [end for end in ends if isinstance(end, (int, float)) and not isinstance(end, bool)]
    if word.count(",") or len(ends) != 2 or len(numbers) != 2:
        raise ConfigError(f"A range is two numbers, such as learning_rate=1e-4:1e-3. Received: {word!r}")
    return Between(*numbers)


def _value(text: str) -> Value:
    """A number or a truth value if it reads as one in JSON, a word otherwise."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) else text
