"""Which model judges: the canary's share, its failures, and the health that follows the model."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from deepfake_tf.detector import Detector
from deepfake_tf.errors import PredictorError, PredictorUnavailableError, ServableError
from serving import models
from serving.models import CanaryFirst, choose_predictor
from serving.monitoring import Monitoring
from tests import servables
from tests.serving import videos
from tests.serving.in_process import StubPredictor


class Versioned(StubPredictor):
    """A model of a version."""

    def __init__(self, version, logit=2.0, clip_spec=servables.CLIP_SPEC):
        super().__init__(logit)
        self.own = replace(servables.SPEC, model_version=version, clip_spec=clip_spec)
        self.predict_error = None

    def spec(self, *, deadline_sec=60.0):
        super().spec()
        return self.own

    def predict(self, clips, mask, *, spec, deadline_sec=60.0):
        if self.predict_error is not None:
            raise self.predict_error
        assert spec == self.own
        return super().predict(clips, mask, spec=spec)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return videos.face_video(tmp_path_factory.mktemp("videos") / "face.mp4", num_frames=6)


def judge(canary, stable, video):
    return Detector(CanaryFirst(canary, stable)).judge(video)


def test_the_canary_gets_its_share_and_equal_ids_the_same_model():
    stable, canary = Versioned(1), Versioned(2)
    choose = choose_predictor(stable, canary, 0.05)
    ids = [f"r-{number}" for number in range(4000)]
    chosen = [isinstance(choose(one), CanaryFirst) for one in ids]
    assert chosen == [isinstance(choose(one), CanaryFirst) for one in ids]
    # Five standard deviations of a binomial.
    assert abs(sum(chosen) - 200) < 5 * (4000 * 0.05 * 0.95) ** 0.5
    assert choose_predictor(stable, None, 1.0)("r") is stable
    assert choose_predictor(stable, canary, 0.0)("r") is stable


def test_the_verdict_says_which_version_judged(video):
    assert judge(Versioned(2), Versioned(1), video).model.version == 2


@pytest.mark.parametrize("error", [PredictorUnavailableError("x"), PredictorError("x"), ServableError("x")])
@pytest.mark.parametrize("where", ["error", "predict_error"])
def test_where_the_canary_fails_the_stable_model_judges(video, error, where, caplog):
    canary, stable = Versioned(2), Versioned(1, logit=-2.0)
    setattr(canary, where, error)
    found = judge(canary, stable, video)
    assert (found.model.version, str(found.verdict)) == (1, "REAL")
    assert "the canary failed" in caplog.text


@pytest.mark.parametrize("logit", [np.nan, np.inf])
def test_a_canary_without_sense_is_a_failure_too(video, logit):
    assert judge(Versioned(2, logit=logit), Versioned(1), video).model.version == 1


def test_the_stable_model_judges_clips_of_its_own_spec(video):
    canary, stable = Versioned(2, clip_spec=replace(servables.CLIP_SPEC, crop_size_px=64)), Versioned(1)
    canary.predict_error = PredictorError("x")
    assert judge(canary, stable, video).model.version == 1
    assert stable.seen_clips


def test_where_both_fail_the_stable_models_error_counts(video):
    canary, stable = Versioned(2), Versioned(1)
    canary.error, stable.error = PredictorError("canary"), ServableError("stable")
    with pytest.raises(ServableError, match="stable"):
        judge(canary, stable, video)


class Health:
    def __init__(self):
        self.states = {}

    async def set(self, service, state):
        self.states[service] = state


def test_health_and_counts_follow_the_stable_model(monkeypatch):
    monkeypatch.setattr(models, "_INTERVAL_SEC", 0.01)
    health, monitoring, stable, canary = Health(), Monitoring(), Versioned(1), Versioned(2)
    canary.error = PredictorError("down")

    def value(name):
        return monitoring.registry.get_sample_value(f"deepfake_{name}")

    async def run():
        task = asyncio.create_task(models.watch(health, stable, canary, monitoring))
        await asyncio.sleep(0.1)
        assert set(health.states.values()) == {1}
        assert (value("model_up"), value("model_version")) == (1, 1)
        stable.own = replace(stable.own, model_version=7)
        await asyncio.sleep(0.1)
        assert value("model_version") == 7
        stable.error = ServableError("another format")
        await asyncio.sleep(0.1)
        assert set(health.states.values()) == {2}
        assert value("model_up") == 0
        task.cancel()

    asyncio.run(run())
