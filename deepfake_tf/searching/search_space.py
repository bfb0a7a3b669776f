"""What a search draws: the settings of a training, from ranges that stand here and beside each plugin.

A name is that of a setting (`learning_rate`) or of a plugin and what its `sample` draws (`small_cnn.width`). The search
settings may say what else to draw from, and may draw any other plain setting of a training besides.
"""

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

import keras_tuner
import numpy as np

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import LOSSES, TrainSettings
from deepfake_tf.searching.search_settings import Between, Domain, SearchSettings, Value

# What makes trials of one search differ in more than their settings, or is drawn by a flag of its own.
_NOT_DRAWN = ("epochs", "monitor", "backbone", "head", "recipe")
# A range that spans more than this is drawn evenly over its orders of magnitude.
_WIDE = 10


def draw(hp: keras_tuner.HyperParameters, base: TrainSettings, search: SearchSettings) -> TrainSettings:
    """Draws the settings of a trial, and declares the space while it does.

    Args:
        hp: Keras Tuner's; remembers what it was asked for.
        base: what is not drawn.
        search: says what may be drawn.

    Raises:
        ConfigError: what was drawn makes no sense together.
    """
    own = _Domains(hp, search, "")
    drawn = {
        "recipe": own.Choice("recipe", list(search.recipes)),
        "batch_size": own.Choice("batch_size", [8, 16, 32]),
        "learning_rate": own.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "dropout": own.Choice("dropout", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        "loss": own.Choice("loss", list(LOSSES)),
        "label_smoothing": own.Choice("label_smoothing", [0.0, 0.05, 0.1]),
    }
    for name in sorted(_plain_settings(base) & set(search.space) - set(drawn)):
        drawn[name] = own.other(name, getattr(base, name))
    for kind, known in (("backbone", search.backbones), ("head", search.heads)):
        name, part = _draw_part(hp, search, kind, known)
        drawn |= {kind: name, f"{kind}_settings": part}
    return dataclasses.replace(base, **drawn)


def settings_of(trial: keras_tuner.engine.trial.Trial, base: TrainSettings, search: SearchSettings) -> TrainSettings:
    """Returns the settings of a trial, the same on every machine.

    Args:
        trial: as an oracle made it; numbers keep six digits of what was drawn, and Hyperband's epochs count.
        base: what is not drawn.
        search: says what may be drawn.
    """
    hp = trial.hyperparameters.copy()
    hp.values = {name: _six_digits(one) for name, one in hp.values.items()}
    settings = draw(hp, base, search)
    return dataclasses.replace(settings, epochs=hp.values.get("tuner/epochs", settings.epochs))


def drawn_values(trial: keras_tuner.engine.trial.Trial) -> dict[str, Value]:
    """Returns what was drawn for a trial, by name; what belongs to plugins that it does not use is left out."""
    return {
        name.replace("/", "."): _six_digits(one)
        for name, one in trial.hyperparameters.values.items()
        if not name.startswith("tuner/")
    }


def _six_digits(value: Value) -> Value:
    # Between machines Keras Tuner sends numbers as float32.
    return float(f"{np.float32(value):.6g}") if isinstance(value, float) else value


def check(base: TrainSettings, search: SearchSettings) -> None:
    """Refuses a space of which something is unknown or of the wrong kind, before the first trial.

    Raises:
        ConfigError: a name that nothing is drawn for, or a value that the setting cannot have.
    """
    known = _plain_settings(base) | {
        name
        for kind, chosen in (("backbones", search.backbones), ("heads", search.heads))
        for plugin in chosen
        for name in _names_of(kind, plugin, search)
    }
    for name in search.space:
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"Nothing is drawn under the name {name!r}.{hint} Known: {', '.join(sorted(known))}.")
    for name in sorted(_plain_settings(base) & set(search.space)):
        domain = search.space[name]
        for value in (domain.low, domain.high) if isinstance(domain, Between) else domain:
            given = {name: _as_kind_of(getattr(base, name), value, name)}
            dataclasses.replace(base, **given)
    draw(keras_tuner.HyperParameters(), base, search)


def _plain_settings(base: TrainSettings) -> set[str]:
    return {
        one.name
        for one in dataclasses.fields(base)
        if isinstance(getattr(base, one.name), (str, int, float)) and one.name not in _NOT_DRAWN
    }


def _draw_part(
    hp: keras_tuner.HyperParameters, search: SearchSettings, kind: str, known: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    # Declared even where there is nothing to choose: the plugins' own branches hang on it.
    chosen = hp.Choice(kind, list(known))
    settings: dict[str, Any] = {}
    for name in known:
        # Each plugin's settings are a branch of the space that is only searched when the plugin is chosen.
        with hp.conditional_scope(kind, [name]), hp.name_scope(name):
            if name == chosen:
                settings = plugins.load(f"{kind}s", name).sample(_Domains(hp, search, f"{name}."))
    return chosen, settings


def _names_of(kind: str, plugin: str, search: SearchSettings) -> set[str]:
    domains = _Domains(keras_tuner.HyperParameters(), search, f"{plugin}.")
    plugins.load(kind, plugin).sample(domains)
    return domains.names


class _Domains:
    """Keras Tuner's HyperParameters as `sample` sees them: what the search settings narrow is drawn from there."""

    def __init__(self, hp: keras_tuner.HyperParameters, search: SearchSettings, prefix: str) -> None:
        self._hp = hp
        self._space = search.space
        self._prefix = prefix
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hp, name)

    # Named as Keras Tuner's own.
    def Choice(self, name: str, values: Sequence[Value], **options: Any) -> Any:
        """Draws one of some values."""
        given = self._given(name, values[0])
        if given is None and len(values) > 1:
            return self._hp.Choice(name, list(values), **options)
        if isinstance(given, Between):
            low, high = given.low, given.high
            given = tuple(one for one in values if isinstance(one, (int, float)) and low <= one <= high)
            if not given:
                raise ConfigError(f"{self._prefix}{name} has no value in {low:g}:{high:g}. It has: {_join(values)}")
        return self._one_of(name, given or tuple(values))

    def Int(self, name: str, min_value: int, max_value: int, **options: Any) -> Any:
        """Draws a whole number."""
        return self._number(name, self._hp.Int, min_value, max_value, options)

    def Float(self, name: str, min_value: float, max_value: float, **options: Any) -> Any:
        """Draws a number."""
        return self._number(name, self._hp.Float, min_value, max_value, options)

    def Boolean(self, name: str, **options: Any) -> Any:
        """Draws a truth value."""
        given = self._given(name, True)
        return self._hp.Boolean(name, **options) if given is None else self._one_of(name, given)

    def other(self, name: str, value: Value) -> Any:
        """Draws a setting that stands in the search settings alone."""
        given = self._given(name, value)
        if isinstance(given, Between):
            wide = given.low > 0 and given.high >= _WIDE * given.low
            number = self._hp.Int if isinstance(value, int) else self._hp.Float
            return self._number(name, number, given.low, given.high, {"sampling": "log"} if wide else {})
        return self._one_of(name, given)

    def _number(self, name: str, number: Any, low: float, high: float, options: dict[str, Any]) -> Any:
        given = self._given(name, low)
        if isinstance(given, tuple):
            return self._one_of(name, given)
        if given is not None:
            low, high = given.low, given.high
        return number(name, low, high, **options) if low < high else low

    def _one_of(self, name: str, values: Any) -> Any:
        return self._hp.Choice(name, list(values)) if len(values) > 1 else values[0]

    def _given(self, name: str, example: Value) -> Domain | None:
        """What the search settings say, as values of the kind of `example`."""
        self.names.add(self._prefix + name)
        domain = self._space.get(self._prefix + name)
        if domain is None:
            return None
        if isinstance(domain, Between):
            low, high = (_as_kind_of(example, one, self._prefix + name) for one in (domain.low, domain.high))
            return Between(low, high)
        return tuple(_as_kind_of(example, one, self._prefix + name) for one in domain)


def _as_kind_of(example: Value, value: Value, name: str) -> Any:
    if isinstance(example, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(example):
        kinds = {bool: "true or false", int: "whole numbers", float: "numbers", str: "words"}
        raise ConfigError(f"{name} is drawn from {kinds[type(example)]}, such as {example}. Received: {value!r}")
    return value


def _join(values: Sequence[Value]) -> str:
    return ", ".join(str(one) for one in values)
