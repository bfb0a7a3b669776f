import keras
import pytest

from tests.benchmarks import responses


def test_what_a_linear_model_answers_to_two_parts_adds_up_to_the_whole(clips):
    shown = {"clips": keras.Input((1, 16, 16, 3), name="clips"), "mask": keras.Input((1,), dtype="bool", name="mask")}
    model = keras.Model(shown, keras.ops.mean(keras.ops.cast(shown["clips"], "float32"), axis=(1, 2, 3, 4)))
    rows = responses.measure(model, clips)
    assert list(rows) == list(responses.CHANGES)
    brighter = rows["brighter, 10 levels"]
    assert 0 < brighter["face"] < brighter["whole"]
    assert brighter["face"] + brighter["surroundings"] == pytest.approx(brighter["whole"], rel=0.02)
    assert rows["brighter, 20 levels"]["whole"] == pytest.approx(2 * brighter["whole"], rel=0.02)
    # A mean sees no colour that only goes from one channel to another, and hardly a blur.
    assert abs(rows["redder, 8 levels"]["whole"]) < 0.05 * brighter["whole"]
    assert abs(rows["blurred, 0.6 pixels"]["face"]) < 0.05 * brighter["whole"]
