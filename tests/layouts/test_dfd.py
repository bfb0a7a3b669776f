"""DeepFakeDetection: actors, scenes and originals from the names."""

import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.layouts import dfd
from deepfake_tf.schema import FAKE, REAL

REAL_01 = "original_sequences/actors/c23/videos/01__walking_outside_cafe_disgusted.mp4"
REAL_02 = "original_sequences/actors/c23/videos/02__kitchen_pan.mp4"
FAKE_01 = "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking_outside_cafe_disgusted__YVGY8LOK.mp4"
FAKE_02 = "manipulated_sequences/DeepFakeDetection/c40/videos/02_15__kitchen_pan__0TSXKBG2.mp4"


@pytest.fixture
def root(tmp_path):
    other = "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"
    mask = "manipulated_sequences/DeepFakeDetection/masks/videos/01_02__kitchen_pan__YVGY8LOK.mp4"
    for name in (REAL_01, REAL_02, FAKE_01, FAKE_02, other, mask):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_names_give_actors_scene_and_original(root):
    found = {entry.video_id: entry for entry in dfd.find_videos(root)}
    assert sorted(found) == sorted([REAL_01, REAL_02, FAKE_01, FAKE_02])
    fake = found[FAKE_01]
    assert (fake.label, fake.method, fake.identities) == (FAKE, "DeepFakeDetection", ("dfd:01", "dfd:02"))
    assert fake.attributes == {"compression": "c23", "context": "walking_outside_cafe_disgusted"}
    assert fake.original_id == REAL_01
    assert (found[REAL_02].label, found[REAL_02].identities) == (REAL, ("dfd:02",))
    assert found[REAL_02].attributes["context"] == "kitchen_pan"
    # Its original is there in c23 only.
    assert found[FAKE_02].original_id == ""
    assert {entry.split for entry in found.values()} == {""}


def test_another_data_set_is_refused(tmp_path):
    (tmp_path / "000_003.mp4").write_bytes(b"")
    with pytest.raises(ConfigError, match="no videos of DeepFakeDetection"):
        dfd.find_videos(tmp_path)
