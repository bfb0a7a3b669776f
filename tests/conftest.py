"""Fixtures that several tests use."""

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes tells of the machine's load, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

DEFAULT_TEST_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first: a file is one process's, and the others wait for the last one to end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real labelled videos; it cannot be given away with the project, so tests skip without it."""
    folder = Path(os.environ.get("DEEPFAKE_TF_TEST_DATA", DEFAULT_TEST_DATA))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(
            f"no real videos: set DEEPFAKE_TF_TEST_DATA to a folder that holds manifest.csv (looked in {folder})"
        )
    return folder
