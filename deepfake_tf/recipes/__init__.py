"""Named lists of augmentation ops, one file each: it exposes OPS, a tuple, and its docstring says what it is for."""

from collections.abc import Sequence

from deepfake_tf import augment, plugins


def load_ops(name: str) -> tuple[augment.ClipOp, ...]:
    """Returns the ops of a recipe.

    Args:
        name: a file in this folder.

    Raises:
        ConfigError: there is no such recipe.
    """
    return plugins.load("recipes", name).OPS


def to_text(ops: Sequence[augment.ClipOp]) -> str:
    """Returns ops in words, one line each: name, chance, settings."""
    return "\n".join(_lines(augment.to_json(ops), indent=""))


def _lines(values: Sequence[dict], indent: str) -> list[str]:
    lines = []
    for value in values:
        settings = {key: one for key, one in value.items() if key not in ("op", "probability", "ops")}
        words = ", ".join(f"{key} {_short(one)}" for key, one in settings.items())
        lines.append(f"{indent}{value['op']:<22} {value['probability']:>5.0%}  {words}".rstrip())
        lines += _lines(value.get("ops", ()), indent + "  ")
    return lines


def _short(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    is_range = len(value) == 2 and value[0] != value[1]
    return (" to " if is_range else " ").join(str(one) for one in value)
