r"""Folders of face pictures instead of videos, as in WildDeepfake: each folder that holds pictures is one video.

    fake_train/1/fake/12/0.png      a fake, in train: sequence 12 of archive 1, its first frame

Folders on the way with the word real or fake in their names give the label, the words train, val and test the split.
Who is in it comes from --group-regex, or else from the folder that holds several sequences: in WildDeepfake an archive
holds the faces of one video, and its number means another one in each of the four folders on top. Sequences that lie in
no such folder have no known identity, and their leaks go unchecked.
Zi et al., "WildDeepfake: A Challenging Real-World Dataset for Deepfake Detection", ACM Multimedia 2020.
"""

import argparse
import re
from pathlib import Path

from deepfake_tf.decoding.picture_files import holds_pictures
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import Example, identities_by_regex
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import LABEL_NAMES, SPLITS

_WORD = re.compile(r"[a-z]+|\d+")

EXAMPLE = Example(
    files={
        "real_train/1/real/0/0.png": "a",
        "real_train/1/real/0/1.png": "b",
        "real_train/1/real/7/0.png": "c",
        "fake_test/1/fake/12/0.png": "d",
        "readme.txt": "no picture",
    }
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags."""
    parser.add_argument(
        "--group-regex",
        help="finds the people or originals in a folder's path below the root: every group of parentheses that matches "
        r"is one, for example '^(\d+)/'",
    )


def find_videos(root: Path, *, group_regex: str | None = None) -> list[VideoEntry]:
    """Returns a row for each folder below the root that holds pictures.

    Args:
        root: of the data set.
        group_regex: regular expression whose groups of parentheses are identities.

    Raises:
        ConfigError: there are no such folders, or the expression is none.
        DataError: a folder's path names no label or two, or two splits; or has no identity by the expression.
    """
    paths = [path for path in sorted(root.rglob("*")) if path.is_dir() and holds_pictures(path)]
    if not paths:
        raise ConfigError(f"{root} has no folders of pictures.")
    names = [path.relative_to(root).as_posix() for path in paths]
    identities = identities_by_regex(names, group_regex) if group_regex is not None else {}
    return [
        VideoEntry(
            video_id=name,
            path=path.absolute(),
            label=LABEL_NAMES.index(_only(_words(name, LABEL_NAMES), name, "label real or fake")),
            identities=identities.get(name) or _archive(name),
            split=_only(_words(name, SPLITS) or {""}, name, "split"),
        )
        for path, name in zip(paths, names, strict=True)
    ]


def _words(name: str, wanted: tuple[str, ...]) -> set[str]:
    """Those of the wanted words that occur in the names of folders."""
    return {word for word in _WORD.findall(name.lower()) if word in wanted}


def _only(words: set[str], name: str, what: str) -> str:
    if len(words) != 1:
        raise DataError(f"The path {name} must name one {what}. Received: {', '.join(sorted(words)) or 'none'}")
    return words.pop()


def _archive(name: str) -> tuple[str, ...]:
    """The path of the folder that holds the sequence, unless its name says no more than a label or a split."""
    folders = name.split("/")[:-1]
    while folders and set(_WORD.findall(folders[-1].lower())) <= {*LABEL_NAMES, *SPLITS}:
        folders.pop()
    return ("/".join(folders),) if folders else ()
