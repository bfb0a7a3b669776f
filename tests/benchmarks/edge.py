"""Which networks can be made LiteRT files, and how near each kind comes: python -m tests.benchmarks.edge.

Tiny variants with changed weights, on clips of coloured noise; `python -m pipelines.litert` measures a trained run.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from deepfake_tf import crops, native_output, plugins
from deepfake_tf.errors import DeepfakeError
from deepfake_tf.schema import ClipSpec, ServableSpec
from tests import servables

SPEC = ClipSpec(num_frames=4, clips_per_video=2, crop_size_px=64)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=["mobilenet_v3_small", "resnet50", "coatnet0"])
    parser.add_argument("--heads", nargs="+", default=plugins.names("heads"), help="each with small_cnn")
    parser.add_argument("--kinds", nargs="+", default=["float32", "float16", "int8"])
    parser.add_argument("--clips", type=int, default=12)
    arguments = parser.parse_args()
    native_output.load_tensorflow()
    print(
        f"load average {os.getloadavg()[0]:.1f}, {arguments.clips} clips of {SPEC.num_frames} x {SPEC.crop_size_px} px"
    )
    print(f"{'network':<34}{'kind':<11}{'KB':>8}{'logit off by':>14}{'of a spread':>13}{'ms a clip':>11}")
    pairs = [("small_cnn", head) for head in arguments.heads] + [(name, "mean") for name in arguments.backbones]
    for backbone, head in pairs:
        try:
            _measure(backbone, head, arguments.kinds, arguments.clips)
        except DeepfakeError as error:
            print(f"{backbone + ' x ' + head:<34}no: {str(error)[:150]}", flush=True)


def _measure(backbone, head, kinds, num_clips):
    from deepfake_tf.litert import export_litert
    from deepfake_tf.predictors.litert import LiteRTPredictor

    model = _model(backbone, head)
    clips, mask = servables.jpeg_clips(num_clips, spec=SPEC)
    expected = servables.keras_logits(model, clips, mask)
    examples = [
        (np.stack([crops.decode_jpeg(one) for one in clip]), there) for clip, there in zip(clips, mask, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: Path(folder) / f"{kind}.tflite" for kind in kinds}
        export_litert(model, ServableSpec(clip_spec=SPEC), paths, examples=examples)
        predictors = {kind: LiteRTPredictor(path, num_threads=1) for kind, path in paths.items()}
        calls = {kind: predictor.logit for kind, predictor in predictors.items()}
        times, logits = {name: [] for name in calls}, {name: [] for name in calls}
        for example in examples:
            for name, call in calls.items():
                begin = time.perf_counter()
                logits[name].append(call(*example))
                times[name].append((time.perf_counter() - begin) * 1000)
        for kind, path in paths.items():
            off = np.abs(np.array(logits[kind]) - expected).max()
            print(
                f"{backbone + ' x ' + head:<34}{kind:<11}{path.stat().st_size / 1000:>8.0f}{off:>14.2g}"
                f"{np.ptp(expected):>13.2g}{statistics.median(times[kind]):>11.2f}",
                flush=True,
            )


def _model(backbone, head):
    import keras

    from deepfake_tf.learning.settings import ModelSettings
    from deepfake_tf.model import build_model

    keras.utils.set_random_seed(1)
    model = build_model(
        ModelSettings(
            backbone=backbone,
            head=head,
            num_frames=SPEC.num_frames,
            image_size=SPEC.crop_size_px,
            backbone_settings=servables.plugin_settings("backbones", backbone),
            head_settings=servables.plugin_settings("heads", head),
        )
    )
    rng = np.random.default_rng(1)
    for variable in model.weights:
        if "variance" not in variable.path and "gamma" not in variable.path:
            variable.assign(variable + rng.normal(0, 0.05, variable.shape))
    return model


if __name__ == "__main__":
    main()
