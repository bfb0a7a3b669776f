"""One side of tests.benchmarks.networks: holds a network, and does as many steps as each line of its input says.

Answers {"answer": seconds}; to "macs" with the multiply-accumulates of a frame, to "peak" with the most floating-point
operations a second of a large matrix product.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

NUM_FRAMES = 8
SIDE = {"float32": 2048, "bfloat16": 8192}
Step = Callable[[int], None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=("tensorflow", "torch"))
    parser.add_argument("network")
    parser.add_argument("what", choices=("train", "infer"))
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--precision")
    parser.add_argument("--compile")
    parser.add_argument("--norms")
    options = parser.parse_args()
    steps, peak, macs = (with_tensorflow if options.framework == "tensorflow" else with_torch)(options)
    clock = clock_of(options)
    for line in sys.stdin:
        question = line.strip()
        answer = {"macs": macs, "peak": peak}[question]() if question.isalpha() else timed(steps, int(question), clock)
        print(json.dumps({"answer": answer}), flush=True)
    return 0


def clock_of(options: argparse.Namespace) -> Callable[[], float]:
    """On one thread its own processor time, which other programs change least."""
    return time.process_time if options.threads == 1 else time.perf_counter


def timed(steps: Step, number: int, clock: Callable[[], float]) -> float:
    """Seconds of a number of steps."""
    begin = clock()
    steps(number)
    return clock() - begin


def best_of(product: Step, side: int, clock: Callable[[], float]) -> float:
    """Floating-point operations a second of a matrix product."""
    product(1)
    return 2 * side**3 / min(timed(product, 1, clock) for _ in range(5))


# TensorFlow -----------------------------------------------------------------------------------------------------------


def with_tensorflow(options: argparse.Namespace) -> tuple[Step, Callable[[], float], Callable[[], int]]:
    import keras
    import numpy as np
    import tensorflow as tf

    from deepfake_tf import plugins, zoo
    from deepfake_tf.learning.fused_norms import with_fused_norms
    from deepfake_tf.learning.settings import ModelSettings
    from deepfake_tf.model import build_model

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    recurrent = options.network == "cnn_lstm"
    # PyTorch's ResNet-50 strides in its 3x3 convolutions, as this one.
    backbone = {"cnn_lstm": "small_cnn", "resnet50": "dino_resnet50"}.get(options.network, options.network)
    num_frames = NUM_FRAMES if recurrent else 1
    settings = ModelSettings(backbone, "lstm" if recurrent else "mean", num_frames, options.image_size)
    model = build_model(settings, precision="mixed_bfloat16" if options.precision == "bfloat16" else "float32")
    learner = model if options.norms == "keras" else with_fused_norms(model)
    num_clips = options.batch_size // num_frames
    rng = np.random.default_rng(0)
    shape = (num_clips, num_frames, options.image_size, options.image_size, 3)
    inputs = {"clips": rng.uniform(0, 255, shape).astype("float32"), "mask": np.ones(shape[:2], bool)}
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    labels = tf.constant(rng.integers(0, 2, num_clips), tf.float32)
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    jit = options.compile == "yes"

    @tf.function(jit_compile=jit)
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logit = learner(inputs, training=True)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logit))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    @tf.function(jit_compile=jit)
    def infer() -> tf.Tensor:
        return model(inputs, training=False)

    step = train if options.what == "train" else infer

    def steps(number: int) -> None:
        for _ in range(number):
            result = step()
        result.numpy()

    def peak() -> float:
        side = SIDE[options.precision]
        square = tf.cast(tf.random.normal([side, side]), options.precision)
        product = tf.function(lambda: tf.reduce_max(tf.cast(tf.matmul(square, square), tf.float32)), jit_compile=jit)
        return best_of(lambda _: product().numpy(), side, clock_of(options))

    def macs() -> int:
        return zoo.count_macs(plugins.load("backbones", backbone).build(options.image_size))

    return steps, peak, macs


# PyTorch --------------------------------------------------------------------------------------------------------------


def with_torch(options: argparse.Namespace) -> tuple[Step, Callable[[], float], Callable[[], int]]:
    import torch
    from torch import nn

    from tests import torch_networks as networks

    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    depths, channels = (2, 2, 3, 5, 2), (64, 96, 192, 384, 768)
    backbone, width = {
        "coatnet0": lambda: (networks.CoAtNet(depths, channels, options.image_size), 768),
        "resnet50": lambda: (networks.ResNet((3, 4, 6, 3), True), 2048),
        "efficientnet_b4": lambda: (networks.EfficientNetB4(), 1792),
        "cnn_lstm": lambda: (networks.OverTime(networks.SmallCNN(), 96), 64),
    }[options.network]()
    model = nn.Sequential(backbone, nn.Dropout(0.2), nn.Linear(width, 1)).to(device)
    recurrent = options.network == "cnn_lstm"
    # The faster order for it on every machine that was tried.
    model = model.to(memory_format=torch.channels_last)
    shape = (3, options.image_size, options.image_size)
    if recurrent:
        inputs = torch.rand(options.batch_size // NUM_FRAMES, NUM_FRAMES, *shape, device=device)
    else:
        inputs = torch.rand(options.batch_size, *shape, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (len(inputs),), device=device).float()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    run = torch.compile(model, mode="max-autotune") if options.compile == "yes" else model
    lower = torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bfloat16")

    def train() -> torch.Tensor:
        with lower:
            loss = nn.functional.binary_cross_entropy_with_logits(run(inputs)[:, 0].float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    @torch.inference_mode()
    def infer() -> torch.Tensor:
        with lower:
            return run(inputs).sum()

    model.train(options.what == "train")
    step = train if options.what == "train" else infer

    def steps(number: int) -> None:
        for _ in range(number):
            result = step()
        result.item()

    def peak() -> float:
        side = SIDE[options.precision]
        square = torch.randn(side, side, device=device, dtype=getattr(torch, options.precision))
        return best_of(lambda _: torch.max(square @ square).item(), side, clock_of(options))

    return steps, peak, lambda: 0


if __name__ == "__main__":
    sys.exit(main())
