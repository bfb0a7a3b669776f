"""A batch that spoils a training is written down with the clips that it held."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.errors import TrainingError
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.learning.training_step import TrainingStep
from tests.clips_of_squares import both_classes, write_data

SETTINGS = TrainSettings(backbone_settings={"channels": [4]}, head="mean", batch_size=4, epochs=2, recipe="none")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(
        tmp_path_factory.mktemp("squares") / "data", {"train": both_classes("t", 3), "val": both_classes("v", 1)}
    )


@pytest.mark.parametrize(
    ("broken", "says"),
    [({"loss": float("nan")}, "The loss is nan"), ({"is_finite": False}, "The gradients are not finite")],
)
def test_the_clips_that_are_named_are_those_of_the_batch(data, tmp_path, monkeypatch, broken, says):
    seen = []
    gather = TrainingStep.gather

    def spoil(self, batch, epoch):
        found = gather(self, batch, epoch)
        seen.append(batch)
        if len(seen) < 5:
            return found
        # Of the fifth batch, the second of the second epoch; its third clip is the one.
        return dataclasses.replace(found, logits=np.array([0.5, 0.5, np.nan, 0.5]), **broken)

    monkeypatch.setattr(TrainingStep, "gather", spoil)
    with pytest.raises(TrainingError, match=f"{says} at step 2 of epoch 2, with the clips") as raised:
        training.train(data, tmp_path, SETTINGS)
    found = json.loads((tmp_path / "bad_batch.json").read_text())
    assert (found["epoch"], found["step"]) == (2, 2)
    clips = list_clips(data, ["train"])
    rows = [clips.example_ids.index(one["example_id"]) for one in found["examples"]]
    inputs, labels, _ = seen[-1]
    np.testing.assert_array_equal(labels, [one["label"] for one in found["examples"]])
    for row, pixels in zip(rows, np.asarray(inputs["clips"]), strict=True):
        jpeg = clips.read(row)[0][0]
        expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_array_equal(pixels[0], expected)
    spoiled = found["examples"][2]
    assert spoiled["logit"] == "nan"
    assert f"with the clips {spoiled['example_id']}, " in str(raised.value)
    # What is right again goes on from the last state, and forgets the batch.
    monkeypatch.setattr(TrainingStep, "gather", gather)
    assert training.train(data, tmp_path, SETTINGS)["result"]["num_epochs"] == 2
    assert not (tmp_path / "bad_batch.json").exists()
