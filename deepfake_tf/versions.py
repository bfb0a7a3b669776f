"""The version folders of a servable, as a model server sees them: servables/detector/1, servables/detector/2, ..."""

import os
import re
from pathlib import Path

from deepfake_tf.errors import ConfigError

RETIRED_PREFIX = ".retired-"


def version_dirs(base_path: Path | str) -> dict[int, Path]:
    """Returns the version folders by number: those that a model server would see.

    Args:
        base_path: the folder of the version folders; it need not exist.
    """
    base = Path(base_path)
    if not base.is_dir():
        return {}
    return {int(path.name): path for path in sorted(base.iterdir()) if re.fullmatch(r"\d{1,18}", path.name)}


def next_version(base_path: Path | str) -> int:
    """Returns one more than the highest version that is there or was renamed away."""
    return max([0, *version_dirs(base_path), *_retired(Path(base_path))]) + 1


def activate(base_path: Path | str, version: int) -> list[int]:
    """Makes one version the newest that a model server sees.

    Newer versions are renamed away; a version that had been renamed away comes back under its number.

    Args:
        base_path: the folder of the version folders.
        version: the version to be served.

    Returns:
        The versions that were renamed away.

    Raises:
        ConfigError: there is no such version.
    """
    base = Path(base_path)
    if version not in version_dirs(base):
        if version not in _retired(base):
            known = ", ".join(str(one) for one in sorted({*version_dirs(base), *_retired(base)})) or "none"
            raise ConfigError(f"{base} has no version {version}. It has: {known}.")
        os.rename(base / f"{RETIRED_PREFIX}{version}", base / str(version))
    # Only now: a server that looks in between must not find the folder empty, it would unload the model.
    newer = {number: path for number, path in version_dirs(base).items() if number > version}
    for number, path in newer.items():
        os.rename(path, base / f"{RETIRED_PREFIX}{number}")
    return sorted(newer)


def _retired(base: Path) -> list[int]:
    names = [path.name.removeprefix(RETIRED_PREFIX) for path in base.glob(f"{RETIRED_PREFIX}*")]
    return [int(name) for name in names if name.isdigit()]
