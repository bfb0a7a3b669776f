"""One video and one split, explained by an untrained run: what is written, whole, and what it says."""

import json
from types import SimpleNamespace

import av
import numpy as np
import pytest

from deepfake_tf.explaining import explain, overlay
from deepfake_tf.judging.decision import Decision
from deepfake_tf.schema import ClipSpec
from tests.clips_of_squares import both_classes, write_data
from tests.numbered import write_video
from tests.portraits import scene
from tests.servables import tiny_model

SPEC = ClipSpec(num_frames=3, clips_per_video=2, crop_size_px=32)


@pytest.fixture(autouse=True)
def _known_model(monkeypatch):
    run = {"data": {"clip_spec": SPEC.to_json()}}
    monkeypatch.setattr(explain, "load_run", lambda run_dir: (tiny_model(head="mean"), run))
    monkeypatch.setattr(explain, "decision", SimpleNamespace(read=lambda run_dir, run: (Decision(), None)))


def moving_face(number):
    return scene([(200 + 4 * number, 100)])


def test_a_video_is_drawn_on_and_told_of(tmp_path):
    video = write_video(tmp_path / "face.mp4", num_frames=12, draw=moving_face, options={"crf": "12"})
    told = []
    out = tmp_path / "out"
    results = explain.explain_video(
        "run", video, out, explain.Explaining(max_sec=0.3), on_progress=lambda stage, share: told.append((stage, share))
    )
    assert {path.name for path in out.iterdir()} == {"overlay.mp4", "sheet.html", "explanation.json"}
    assert json.loads((out / "explanation.json").read_text()) == results
    assert results["answer"] in ("REAL", "FAKE")
    assert results["about"].startswith("Grad-CAM of the layer")
    # Clips follow each other: 12 frames are four clips of three.
    assert [round(one["start_sec"], 2) for one in results["clips"]] == [0.0, 0.12, 0.24, 0.36]
    assert told[-1] == ("drawing", 1.0)
    with av.open(str(out / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        # What browsers play.
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    # 0.3 s at 25 frames/s, the frame at 0.28 s being the last; below each the panel.
    assert len(frames) == 8
    height, width = frames[0].shape[:2]
    assert (height, width) == (360 + 170, 640)
    # Nothing is drawn far from the face, and something on it.
    assert np.abs(frames[0][:360, :150].astype(int) - 110).max() < 12
    assert np.abs(frames[0][100:200, 200:300].astype(int) - moving_face(0)[100:200, 200:300]).max() > 60
    # The index lies in front of the pictures, so that it plays before it has come whole.
    data = (out / "overlay.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_video_without_a_face_is_not_explained(tmp_path):
    video = write_video(tmp_path / "grey.mp4", num_frames=6, draw=lambda number: scene([]))
    results = explain.explain_video("run", video, tmp_path / "out", explain.Explaining())
    assert results["outcome"] == "NO_FACE"
    assert "No face" in results["reason"]
    assert not (tmp_path / "out").exists()


def test_a_drawing_that_is_stopped_leaves_nothing(tmp_path):
    video = write_video(tmp_path / "face.mp4", num_frames=6, draw=moving_face)

    def stop(stage, share):
        if stage == "drawing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain.explain_video("run", video, tmp_path / "out", explain.Explaining(), on_progress=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_videos_of_a_split_are_picked_and_shown(tmp_path):
    data = write_data(tmp_path / "data", {"test": both_classes("x", 2)}, spec=SPEC)
    results = explain.explain_split("run", data, tmp_path / "out", explain.Explaining())
    page = (tmp_path / "out" / "sheet.html").read_text()
    assert {one["video_id"] for one in results["videos"] if one["kind"] == "least sure"} <= {f"x{n}" for n in range(4)}
    assert all(f"{one['video_id']}: is " in page for one in results["videos"])
    assert "occlusion" in page


def test_the_surest_the_most_wrong_and_the_least_sure():
    labels = np.array([0, 0, 1, 1, 0, 1])
    scores = np.array([0.1, 0.9, 0.95, 0.2, 0.4, 0.55])
    assert explain.pick(labels, scores, 0.5) == {
        "right and sure": [0, 4, 2, 5],
        "wrong and sure": [1, 3],
        "least sure": [5, 4, 3, 0, 1, 2],
    }


def test_heat_is_laid_over_and_where_there_is_none_nothing_changes():
    pixels = np.full((4, 4, 3), 100, np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 1
    blended = overlay.blend_heat(pixels, heat)
    assert (blended[1:, 1:] == 100).all()
    # The hottest is yellow: red and green high, blue lower.
    assert blended[0, 0, 0] > 150
    assert blended[0, 0, 0] > blended[0, 0, 2]
