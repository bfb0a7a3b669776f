import json

import pytest

from deepfake_tf.errors import ConfigError, ServableError
from deepfake_tf.schema import JOINING_RULES, SCORE_BINS, SERVABLE_VERSION, Calibration, ClipSpec, ServableSpec

CALIBRATIONS = {
    "none": Calibration(),
    "temperature": Calibration(scale=0.5),
    "platt": Calibration(scale=2.0, offset=-0.25),
    "isotonic": Calibration(logits=(-1.5, 0.25, 3.0), scores=(0.1, 0.1, 0.9)),
}


@pytest.mark.parametrize("method", CALIBRATIONS)
@pytest.mark.parametrize("joining", JOINING_RULES)
def test_a_spec_comes_back_from_its_text(method, joining):
    calibration = CALIBRATIONS[method]
    spec = ServableSpec(clip_spec=ClipSpec(), joining=joining, calibration=calibration, threshold=0.3, band=0.1)
    again = ServableSpec.from_text(spec.to_text())
    assert again == spec
    assert again.calibration.method == method
    assert again.fingerprint() == spec.fingerprint()


@pytest.mark.parametrize(
    "values",
    [
        {"scale": 0.0},
        {"scale": float("nan")},
        {"logits": (1.0, 2.0), "scores": (0.5,)},
        {"logits": (2.0, 1.0), "scores": (0.1, 0.5)},
        {"logits": (1.0, 1.0), "scores": (0.1, 0.5)},
        {"logits": (1.0, 2.0), "scores": (0.5, 0.1)},
        {"logits": (1.0, 2.0), "scores": (0.5, 1.1)},
    ],
)
def test_a_calibration_that_could_change_the_order_is_refused(values):
    with pytest.raises(ConfigError, match="Calibration"):
        Calibration(**values)


def test_a_spec_of_an_older_format_is_refused_with_advice():
    text = json.dumps({**json.loads(ServableSpec(clip_spec=ClipSpec()).to_text()), "format_version": 1})
    with pytest.raises(ServableError, match=f"version 1; this program reads version {SERVABLE_VERSION}. Export"):
        ServableSpec.from_text(text)


def test_a_spec_with_a_rule_that_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="joining must be one of mean, "):
        ServableSpec(clip_spec=ClipSpec(), joining="median")


def test_a_histogram_of_scores_travels_with_the_spec():
    spec = ServableSpec(clip_spec=ClipSpec(), score_histogram=tuple(range(SCORE_BINS)))
    assert ServableSpec.from_text(spec.to_text()) == spec
    for wrong in [(1, 2), (-1,) * SCORE_BINS, (0.5,) * SCORE_BINS]:
        with pytest.raises(ConfigError, match="score_histogram must hold 20 counts"):
            ServableSpec(clip_spec=ClipSpec(), score_histogram=wrong)
