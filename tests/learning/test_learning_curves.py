"""What is read from curves, on curves that are one thing only, and that the picture is one."""

import cv2
import numpy as np
import pytest

from deepfake_tf.learning.learning_curves import draw, read
from deepfake_tf.learning.settings import TrainSettings

SETTINGS = TrainSettings(epochs=12)


def curves(train_loss, val_loss, *, train_auc=0.9, val_auc=0.9):
    aucs = np.broadcast_to(val_auc, len(train_loss)).tolist()
    return [
        {"epoch": number, "loss": train, "train_loss": train, "train_auc": train_auc}
        | {"val_loss": val, "val_auc": auc, "val_video_loss": val, "val_video_auc": auc}
        for number, (train, val, auc) in enumerate(zip(train_loss, val_loss, aucs, strict=True), 1)
    ]


FALLING = list(np.linspace(0.7, 0.2, 12))
U_SHAPED = [0.7, 0.6, 0.5, 0.45, 0.44, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9]
FLAT = [0.7, 0.6, 0.5, 0.42, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
NOISY = [0.7, 0.3, 0.8, 0.4, 0.7, 0.35, 0.75, 0.3, 0.8, 0.4, 0.7, 0.5]


@pytest.mark.parametrize(
    ("train", "val", "aucs", "says", "says_not"),
    [
        (FALLING, FALLING, {}, "more --epochs may still help", "overfitting"),
        (FALLING, FALLING, {}, "no large gap", "plateau"),
        (FALLING, U_SHAPED, {}, "overfitting", "more --epochs"),
        (FLAT, FLAT, {}, "a plateau", "overfitting"),
        (FALLING, [one + 0.3 for one in FALLING], {}, ": a gap", "no large gap"),
        (FALLING, FALLING, {"val_auc": 0.7}, ": a gap", "chance"),
        (FALLING, NOISY, {}, "partly luck", "plateau"),
        # As a demo's run went: a rise of 0.015 where epochs jump by 0.1, and AUCs still go up.
        ([0.75, 0.55, 0.44, 0.34, 0.31, 0.27], [0.59, 0.48, 0.49, 0.24, 0.31, 0.26], {}, "may help", "overfitting"),
        (FLAT, FLAT, {"train_auc": 0.55, "val_auc": 0.52}, "little above chance", ": a gap"),
        ([0.5, 0.4], [0.5, 0.4], {}, "too few", "gap"),
        (FALLING, U_SHAPED, {"val_auc": np.linspace(0.6, 0.9, 12)}, "--monitor val_auc would keep", "chance"),
    ],
)
def test_curves_are_called_what_they_are(train, val, aucs, says, says_not):
    text = " ".join(read(curves(train, val, **aucs), TrainSettings(epochs=len(train))))
    assert says in text
    assert says_not not in text


def test_smooth_curves_are_not_called_noisy():
    assert "luck" not in " ".join(read(curves(FALLING, U_SHAPED), SETTINGS))


def test_without_validation_nothing_is_claimed():
    rows = [{"epoch": 1, "loss": 0.5, "train_loss": 0.5, "train_auc": 0.8}]
    assert "nothing can be said" in read(rows, SETTINGS)[0]
    assert draw(rows, SETTINGS, ["A sentence."]).startswith(b"\x89PNG")


def test_the_picture_has_curves_and_grows_with_the_words():
    rows = curves(FALLING, U_SHAPED)
    short, long = (
        cv2.imdecode(np.frombuffer(draw(rows, SETTINGS, words), np.uint8), cv2.IMREAD_COLOR_RGB)
        for words in (["One."], ["One.", "Two.", "Three."])
    )
    assert short.shape[1] == long.shape[1] > 1000
    assert short.shape[0] < long.shape[0]
    # The validation curve's orange.
    assert np.sum(np.all(np.abs(short.astype(int) - (0xE0, 0x66, 0x2C)) < 12, axis=-1)) > 500
