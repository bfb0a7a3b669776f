"""Plugins: a plugin is a file, its name is the file's name, and its kind is the folder it lies in."""

import difflib
import importlib
import pkgutil
from types import ModuleType

from deepfake_tf.errors import ConfigError


def names(kind: str) -> list[str]:
    """Returns the names of all plugins of a kind, sorted.

    Args:
        kind: a folder of plugins in this package, such as "backbones", "heads" or "layouts".
    """
    package = importlib.import_module(f"deepfake_tf.{kind}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def check(kind: str, name: str) -> None:
    """Raises if there is no plugin of that name; imports none.

    Args:
        kind: a folder of plugins in this package.
        name: a plugin's name, as `names` returns it.

    Raises:
        ConfigError: there is no plugin of that name; the message lists those there are.
    """
    known = names(kind)
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"Unknown name {name!r} in {kind}. Known: {', '.join(known)}.{hint}")


def load(kind: str, name: str) -> ModuleType:
    """Imports one plugin.

    Args:
        kind: a folder of plugins in this package.
        name: a plugin's name, as `names` returns it.

    Raises:
        ConfigError: there is no plugin of that name; the message lists those there are.
    """
    check(kind, name)
    return importlib.import_module(f"deepfake_tf.{kind}.{name}")
