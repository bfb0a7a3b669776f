"""Which files of a folder are pictures, and their order: data sets of face crops have folders in place of videos."""

import re
from pathlib import Path

PICTURE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".webp"))

_NUMBER = re.compile(r"(\d+)")


def picture_files(folder: Path) -> list[Path]:
    """Returns the pictures in a folder, by their endings, in order of their names: 10.png comes after 9.png."""
    return sorted((path for path in folder.iterdir() if _is_picture(path)), key=_place)


def holds_pictures(folder: Path) -> bool:
    """Returns whether there is a picture in a folder."""
    return any(_is_picture(path) for path in folder.iterdir())


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _place(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Texts and numbers in turn; of two numbers the shorter is the smaller, but for zeros in front."""
    parts = _NUMBER.split(path.name)
    numbers = [(len(part.lstrip("0")), part.lstrip("0")) if n % 2 else (0, part) for n, part in enumerate(parts)]
    return numbers, path.name
