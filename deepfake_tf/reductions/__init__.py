"""Reductions of embeddings to fewer features, one file each, fitted on standardised features without labels.

A file exposes:
  WIDTH: int                                       features that it leaves if no other number is asked for
  fit(features, width, *, seed) -> dict            features float64 [N, D] -> what `apply` needs, see fitted.py
  apply(arrays, features) -> [B, K]                in keras.ops

A reduction is named as its file, with a number if another width is wanted: "pca", "pca:16".
"""

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError


def parse(name: str) -> tuple[str, int | None]:
    """Returns the file's name and the width asked for, None for the usual one.

    Args:
        name: such as "none", "pca" or "pca:16".

    Raises:
        ConfigError: there is no such reduction, or the number is none.
    """
    file, colon, width = str(name).partition(":")
    plugins.check("reductions", file)
    if colon and (file == "none" or not width.isdigit() or int(width) < 1):
        raise ConfigError(f'A reduction is named as "pca", or with its width as "pca:16". Received: {name!r}')
    return file, int(width) if colon else None
