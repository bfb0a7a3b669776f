"""Every backbone at its full size: python -m tests.benchmarks.full_sizes [--backbones NAME ...] [--only-forward].

The contract tests build tiny variants. This builds each as it is listed, on clips of two frames, and checks that its
logit is a finite float32, that a training step lowers the loss, that settings and a file of weights rebuild it, and
that an export gives the same logits in a version 1 session. Each is checked in a process of its own, since TensorFlow
keeps the memory of a network that is gone. Needs minutes for each, and some 10 GB for the largest.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from deepfake_tf import export, plugins
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model
from deepfake_tf.schema import ClipSpec, ServableSpec

NUM_FRAMES = 2


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=plugins.names("backbones"))
    parser.add_argument("--only-forward", action="store_true", help="no step, no files, no export")
    options = parser.parse_args(argv)
    if len(options.backbones) > 1:
        return max(in_own_process(name, options.only_forward) for name in options.backbones)
    (name,) = options.backbones
    begin, used = time.monotonic(), time.process_time()
    wrong = check(name, options.only_forward)
    seconds = f"{time.monotonic() - begin:6.0f} s, {time.process_time() - used:6.0f} s of CPU"
    print(f"{name:20} {wrong or 'ok':40} {seconds}, {peak_gib():5.1f} GiB", flush=True)
    return int(bool(wrong))


def in_own_process(name: str, only_forward: bool) -> int:
    """Returns 0 if all is well with a backbone, 1 if not; the process prints what it found."""
    command = [sys.executable, "-m", "tests.benchmarks.full_sizes", "--backbones", name]
    status = subprocess.run([*command, *(["--only-forward"] if only_forward else [])]).returncode
    if status not in (0, 1):
        print(f"{name:20} the process ended with {status}", flush=True)
    return min(abs(status), 1)


def peak_gib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def check(name: str, only_forward: bool) -> str:
    """Returns what is wrong with a backbone, nothing if nothing is."""
    size = plugins.load("backbones", name).IMAGE_SIZE
    settings = ModelSettings(name, "mean", NUM_FRAMES, size, dropout=0.0)
    keras.utils.set_random_seed(0)
    model = build_model(settings)
    pixels = np.random.default_rng(0).integers(0, 256, [2, NUM_FRAMES, size, size, 3], np.uint8)
    clips = {"clips": pixels, "mask": np.ones([2, NUM_FRAMES], bool)}
    logits = np.asarray(model(clips, training=False))
    if logits.dtype != "float32" or not np.isfinite(logits).all():
        return f"logits {logits.dtype} {logits}"
    if only_forward:
        return ""
    return _check_step(model, clips) or _check_files(model, settings, clips)


def _check_step(model: keras.Model, clips: dict[str, np.ndarray]) -> str:
    """A step down the gradient, so short that a smooth loss falls by 2 %, whatever the network's size."""
    state = [(one, keras.ops.copy(one)) for one in model.non_trainable_variables]

    def loss() -> tf.Tensor:
        # The same dropout again, so that it is the same loss.
        for variable, value in state:
            variable.assign(value)
        return keras.losses.binary_crossentropy([0.0, 1.0], model(clips, training=True), from_logits=True)

    with tf.GradientTape() as tape:
        before = loss()
    # As tensors: an embedding's are slices.
    gradients = [tf.convert_to_tensor(one) for one in tape.gradient(before, model.trainable_variables)]
    rate = 0.02 * before / sum(tf.reduce_sum(gradient**2) for gradient in gradients)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        variable.assign_sub(rate * gradient)
    after = loss()
    return "" if after < before else f"loss {float(before):.4g}, then {float(after):.4g}"


def _check_files(model: keras.Model, settings: ModelSettings, clips: dict[str, np.ndarray]) -> str:
    expected = np.asarray(model(clips, training=False))
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(Path(folder) / "model.weights.h5")
        again = build_model(ModelSettings.from_json(settings.to_json()))
        again.load_weights(Path(folder) / "model.weights.h5")
        difference = np.abs(np.asarray(again(clips, training=False)) - expected).max()
        if not difference <= 1e-5:
            return f"rebuilt, {difference:.1e} away"
        # Checks itself.
        spec = ServableSpec(ClipSpec(num_frames=NUM_FRAMES, crop_size_px=settings.image_size))
        export.export_model(model, spec, Path(folder) / "detector")
    return ""


if __name__ == "__main__":
    sys.exit(main())
