from dataclasses import replace

import numpy as np
import pytest

from deepfake_tf import detector as detector_module
from deepfake_tf.detector import MAX_CLIPS_PER_REQUEST, Detector
from deepfake_tf.errors import ConfigError, PredictorUnavailableError, ServableError
from deepfake_tf.extraction import Extraction
from deepfake_tf.judging.verdict import Answer
from deepfake_tf.schema import Outcome
from tests import servables
from tests.judging.test_verdict import clip

SPEC = servables.SPEC


class Predictor:
    """Logit of a clip: its first crop as a number. Keeps what it was asked."""

    def __init__(self, *specs):
        self.specs, self.asked = list(specs or [SPEC]), []

    def spec(self, *, deadline_sec):
        return self.specs[0]

    def predict(self, clips, mask, *, spec, deadline_sec):
        self.asked.append((len(clips), mask.shape, spec.model_version, deadline_sec))
        if spec.model_version != self.specs[0].model_version:
            raise PredictorUnavailableError("that version is gone")
        if len(self.specs) > 1:
            self.specs.pop(0)
            raise PredictorUnavailableError("the version was replaced")
        return np.asarray([float(crops[0]) for crops in clips], np.float32)

    def close(self):
        self.asked.append("closed")


@pytest.fixture
def extracted(monkeypatch):
    """What extraction gives instead of looking at a file, and the specs that it was asked by."""

    class Extracted:
        def __init__(self):
            self.specs, self.limits, self.num_clips, self.outcome = [], [], 2, Outcome.OK

        def __call__(self, path, spec, *, limits, on_progress):
            self.specs.append(spec)
            self.limits.append(limits)
            on_progress("faces", 1.0)
            clips = [clip(0, 10**6 * number) for number in range(self.num_clips)]
            for number, one in enumerate(clips):
                one.crops = (str(number).encode(), b"")
            return Extraction(self.outcome, "", tuple(clips), None, 4, 3, {"faces": 1.0})

    made = Extracted()
    monkeypatch.setattr(detector_module, "extract", made)
    return made


def test_judge_joins_extraction_and_model(extracted):
    told = []
    predictor = Predictor()
    made = Detector(predictor).judge("x.mp4", on_progress=lambda *one: told.append(one), request_id="r")
    assert made.verdict == Answer.FAKE
    # Mean of 0 and 1, calibrated by 1.5 x + 0.25.
    assert made.score == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert (made.coverage, made.request_id) == (0.75, "r")
    assert set(made.timing_ms) == {"faces", "predict"}
    assert extracted.specs == [SPEC.clip_spec]
    assert predictor.asked[0][:3] == (2, (2, 2), 1)
    assert told == [("faces", 1.0), ("predict", 0.0), ("predict", 1.0)]


def test_many_clips_are_several_requests_in_order(extracted):
    extracted.num_clips = 2 * MAX_CLIPS_PER_REQUEST + 3
    predictor = Predictor()
    made = Detector(predictor).judge("x.mp4")
    assert [one[0] for one in predictor.asked] == [MAX_CLIPS_PER_REQUEST, MAX_CLIPS_PER_REQUEST, 3]
    mean = (extracted.num_clips - 1) / 2
    assert made.score == pytest.approx(1 / (1 + np.exp(-(1.5 * mean + 0.25))))


def test_without_clips_the_model_is_not_asked(extracted):
    extracted.num_clips, extracted.outcome = 0, Outcome.NO_FACE
    predictor = Predictor()
    made = Detector(predictor).judge("x.mp4")
    assert (made.verdict, made.score, predictor.asked) == (Answer.NO_FACE, None, [])


def test_a_version_replaced_meanwhile_is_judged_by_the_new_one(extracted):
    newer = replace(SPEC, model_version=2)
    made = Detector(Predictor(SPEC, newer)).judge("x.mp4")
    assert made.model.version == 2
    # The same clips serve both.
    assert len(extracted.specs) == 1


def test_a_new_version_with_other_clips_has_them_made_anew(extracted):
    other = replace(SPEC.clip_spec, margin=0.5)
    made = Detector(Predictor(SPEC, replace(SPEC, model_version=2, clip_spec=other))).judge("x.mp4")
    assert made.model.version == 2
    assert extracted.specs == [SPEC.clip_spec, other]


def test_a_model_that_stays_away_is_an_error(extracted):
    with pytest.raises(PredictorUnavailableError):
        Detector(Predictor(SPEC, SPEC)).judge("x.mp4")


def test_the_deadline_bounds_extraction_and_model(extracted):
    predictor = Predictor()
    Detector(predictor).judge("x.mp4", deadline_sec=5.0)
    assert 4 < extracted.limits[0].time_limit_sec <= 5
    assert 4 < predictor.asked[0][3] <= 5


@pytest.mark.parametrize("target", ["nowhere", "host:port", "/no/such/folder"])
def test_load_refuses_what_is_no_model(target):
    with pytest.raises(ConfigError, match="servables/detector, by a .tflite file, or by host:port"):
        Detector.load(target)


def test_load_opens_a_link_to_a_server_and_closes_it():
    with Detector.load("localhost:1") as detector:
        assert detector.predictor.target == "localhost:1"
    with pytest.raises(PredictorUnavailableError, match="was closed"):
        detector.predictor.spec()


@pytest.mark.slow
def test_three_lines_of_python_judge_a_video(tmp_path):
    from tests.serving import videos

    servables.tiny_servable(tmp_path / "detector")
    video = videos.face_video(tmp_path / "face.mp4")
    with Detector.load(str(tmp_path / "detector")) as detector:
        made = detector.judge(video)
        assert made.verdict in (Answer.FAKE, Answer.REAL)
        with pytest.raises(ConfigError):
            detector.judge(tmp_path / "absent.mp4")
    (tmp_path / "detector" / "1" / "saved_model.pb").write_bytes(b"broken")
    with pytest.raises(ServableError):
        Detector.load(tmp_path / "detector")
