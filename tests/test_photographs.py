import struct

import cv2
import numpy as np
import pytest

from deepfake_tf import photographs
from deepfake_tf.errors import ConfigError, DecodeError, NoFaceError
from deepfake_tf.faces import Detection
from deepfake_tf.schema import ClipSpec

SPEC = ClipSpec(num_frames=6, crop_size_px=64)


class FaceInTheMiddle:
    """Finds a small face at the left edge and a large one in the middle of any frame."""

    def detect(self, frame):
        width, height = frame.width, frame.height
        points = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.5, 0.6], [0.3, 0.45], [0.7, 0.45]], np.float32)
        large = Detection(
            (0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height), 0.8, points * np.float32([width, height])
        )
        small = Detection(
            (0, 0, 0.1 * width, 0.1 * height), 0.9, points * np.float32(0.1) * np.float32([width, height])
        )
        return [small, large]


@pytest.fixture
def photograph(tmp_path):
    """Grey, with a white square where the nose is."""
    pixels = np.full((200, 200, 3), 90, np.uint8)
    pixels[90:111, 90:111] = 255
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), pixels)
    return path


def decoded(clip):
    return [cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR_RGB) for crop in clip.crops]


def nose_of(crop):
    return np.argwhere(crop[:, :, 0] > 180).mean(axis=0)[::-1]


def test_a_still_photograph_is_one_frame(photograph):
    clip = photographs.read_clip(photograph, SPEC, FaceInTheMiddle())
    assert clip.mask.tolist() == [True] + [False] * 5
    crops = decoded(clip)
    assert [crop.shape for crop in crops] == [(64, 64, 3)] * 6
    # The large face is in the middle of the crop, and so is its nose.
    np.testing.assert_allclose(nose_of(crops[0]), clip.keypoints_crop_px[0, 2], atol=0.8)
    assert not any(crop.any() for crop in crops[1:])
    assert not clip.keypoints_crop_px[1:].any()


def test_a_moving_head_takes_its_key_points_along(photograph):
    large = ClipSpec(num_frames=6, crop_size_px=320)
    ranges = []
    for seed in range(4):
        clip = photographs.read_clip(photograph, large, FaceInTheMiddle(), moving=True, seed=seed)
        assert clip.mask.all()
        noses = np.array([nose_of(crop) for crop in decoded(clip)])
        np.testing.assert_allclose(noses, clip.keypoints_crop_px[:, 2], atol=1.2)
        assert len(set(clip.crops)) == 6
        # It does not jump.
        assert np.linalg.norm(np.diff(noses, axis=0), axis=1).max() < 14
        ranges.append(np.ptp(noses, axis=0).max())
    assert 4 < max(ranges) < 30


def test_one_seed_gives_one_movement(photograph):
    one, again, other = (
        photographs.read_clip(photograph, SPEC, FaceInTheMiddle(), moving=True, seed=seed).crops for seed in (1, 1, 2)
    )
    assert one == again != other


def test_what_is_no_photograph_of_a_face_is_said(tmp_path, photograph):
    class NoFace:
        def detect(self, frame):
            return []

    with pytest.raises(NoFaceError, match="No face was found in face.png"):
        photographs.read_clip(photograph, SPEC, NoFace())
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(DecodeError, match="text.jpg is no picture"):
        photographs.read_clip(tmp_path / "text.jpg", SPEC, FaceInTheMiddle())
    # The size of a bitmap stands in its header: 40,000 by 40,000 pixels of one bit.
    header = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 62, 0, 62, 40, 40_000, 40_000, 1, 1, 0, 0, 0, 0, 2, 0)
    (tmp_path / "large.bmp").write_bytes(header + bytes(8))
    with pytest.raises(DecodeError, match="large.bmp has more pixels than can be decoded"):
        photographs.read_clip(tmp_path / "large.bmp", SPEC, FaceInTheMiddle())
    with pytest.raises(ConfigError, match="no such picture"):
        photographs.read_clip(tmp_path / "nowhere.jpg", SPEC, FaceInTheMiddle())


def test_real_photographs_give_faces(real_data):
    from deepfake_tf.faces import open_detector

    detector = open_detector(SPEC)
    paths = sorted((real_data / "faces").rglob("*.jpg"))[::200]
    clips = [photographs.read_clip(path, SPEC, detector, moving=True) for path in paths]
    assert all(clip.mask.all() for clip in clips)
    eyes = np.stack([clip.keypoints_crop_px[0, 1] - clip.keypoints_crop_px[0, 0] for clip in clips])
    assert (eyes[:, 0] > 8).all()
