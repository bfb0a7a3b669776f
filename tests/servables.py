"""A tiny model, its servable and clips for it, for the tests of export, predictors and serving."""

from pathlib import Path

import cv2
import numpy as np

from deepfake_tf.schema import Calibration, ClipSpec, ServableSpec

CLIP_SPEC = ClipSpec(num_frames=3, clips_per_video=2, crop_size_px=32)
SPEC = ServableSpec(
    clip_spec=CLIP_SPEC, model_name="detector", calibration=Calibration(1.5, 0.25), threshold=0.6, band=0.01
)


def plugin_settings(kind, name):
    """Settings of the plugin's tiny variant."""
    from deepfake_tf import plugins

    return plugins.load(kind, name).TINY


def tiny_model(*, head="lstm", seed=3):
    """An untrained network whose logits differ well between clips."""
    import keras

    from deepfake_tf.learning.settings import ModelSettings
    from deepfake_tf.model import build_model

    keras.utils.set_random_seed(seed)
    settings = ModelSettings(
        backbone="small_cnn",
        head=head,
        num_frames=CLIP_SPEC.num_frames,
        image_size=CLIP_SPEC.crop_size_px,
        backbone_settings=plugin_settings("backbones", "small_cnn"),
        head_settings=plugin_settings("heads", head),
    )
    model = build_model(settings)
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "variance" not in variable.path and "gamma" not in variable.path:
            variable.assign(variable + rng.normal(0, 0.3, variable.shape))
    return model


def tiny_servable(base_path: Path, *, seed=3) -> Path:
    """Exports a tiny model as the next version of `base_path`."""
    from deepfake_tf.export import export_model

    return export_model(tiny_model(seed=seed), SPEC, base_path)


def jpeg_clips(num_clips, *, seed=0, spec=CLIP_SPEC):
    """Clips of coloured noise: B lists of T JPEG files, and a mask that misses the last crop of every second clip."""
    rng = np.random.default_rng(seed)
    size = spec.crop_size_px
    clips = []
    for _ in range(num_clips):
        pictures = rng.integers(0, 256, [spec.num_frames, 4, 4, 3], np.uint8).repeat(size // 4, 1).repeat(size // 4, 2)
        clips.append([cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures])
    mask = np.ones([num_clips, spec.num_frames], bool)
    mask[1::2, -1] = False
    return clips, mask


def keras_logits(model, clips, mask):
    """What the Keras model says, on pixels decoded by OpenCV."""
    pixels = np.stack(
        [[cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR_RGB) for crop in clip] for clip in clips]
    )
    return np.reshape(np.asarray(model({"clips": pixels, "mask": mask}, training=False)), [-1])
