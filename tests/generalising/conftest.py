import pytest

from deepfake_tf.batching.clip_table import list_clips
from tests.clips_of_squares import both_classes, write_data


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Two clips of each of six videos."""
    return list_clips(write_data(tmp_path_factory.mktemp("clips"), {"train": both_classes("t", 3)}), ["train"])
