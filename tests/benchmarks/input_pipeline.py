"""How fast clips become batches, against OpenCV's bare decoder and a PyTorch DataLoader, all in one interleaved run.

    python -m tests.benchmarks.input_pipeline --torch-python OTHER/bin/python [--train-step coatnet0]

Both sides decode the same JPEG files with the same number of workers (threads here, processes there) and run the
article's augmentation on every clip; nothing consumes the batches. Each round times every kind of work once; the table
gives the median of the rounds, and their spread, because other programs may be running. Processor time a frame says
less of the machine's load than frames a second do. Without --torch-python that side is left out, with a word.

PyTorch's side:  frames  Albumentations' pipeline called for each frame, the usual way (each frame changes differently)
                 clip    called once for a whole clip (one draw for all frames; its noise too is one for all frames)
                 ours    this library's ops
"""

import argparse
import json
import os
import pickle
import statistics
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from deepfake_tf import manifest, records
from deepfake_tf.schema import ClipSpec
from tests import clips_of_squares
from tests.conftest import DEFAULT_TEST_DATA

NUM_SKIPPED, NUM_TIMED = 8, 12


def write_data(folder: Path, size_px: int, num_frames: int, num_clips: int) -> Path:
    """Writes shards of photographs if there are any, else of smooth noise."""
    root = Path(os.environ.get("DEEPFAKE_TF_TEST_DATA", DEFAULT_TEST_DATA))
    photographs = sorted((root / "faces").rglob("*.jpg"))
    print(f"crops: {'photographs' if photographs else 'smooth noise'}, {size_px} px, {num_frames} a clip")
    random = np.random.default_rng(0)

    def picture(number: int) -> np.ndarray:
        if photographs:
            pixels = cv2.imread(str(photographs[number % len(photographs)]), cv2.IMREAD_COLOR_RGB)
            return cv2.resize(pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(random.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8), (0, 0), 1.5)

    spec = ClipSpec(num_frames=num_frames, crop_size_px=size_px)
    entries, encoded = [], []
    for number in range(num_clips):
        path = folder / f"v{number}.mp4"
        entries.append(manifest.VideoEntry(f"v{number}", path, label=number % 2, group=f"g{number}", split="train"))
        crops = [picture(num_frames * number + frame) for frame in range(num_frames)]
        clip = clips_of_squares.make_clip(crops)
        encoded.append(records.encode_clip(clip, entries[-1], spec, clips_of_squares.INFO))
    shard = folder / "train-00000-of-00001.tfrecord"
    records.write_shard(shard, encoded)
    manifest.write_manifest(entries, folder / "manifest.csv")
    info = records.ShardInfo(shard.name, num_clips, num_clips, shard.stat().st_size, "")
    records.write_index(folder, records.DataIndex(spec=spec, shards={"train": (info,)}, num_failed=0))
    return folder


class OurPipeline:
    """Batches of this library, one endless iterator for each recipe."""

    def __init__(self, data_dir: Path, batch_size: int, num_workers: int) -> None:
        from deepfake_tf.batching.clip_table import list_clips

        self.clips = list_clips(data_dir, ["train"])
        self._batch_size, self.num_workers = batch_size, num_workers
        self._iterators = {}

    def batches(self, recipe: str):
        from deepfake_tf.batching.dataset import for_training
        from deepfake_tf.batching.loading import Loading
        from deepfake_tf.batching.sampling import Sampling

        sampling = Sampling(recipe=recipe, batch_size=self._batch_size)
        return for_training(self.clips, sampling, loading=Loading(num_threads=self.num_workers))

    def measure(self, recipe: str) -> dict[str, float]:
        if recipe not in self._iterators:
            self._iterators[recipe] = iter(self.batches(recipe))
        iterator = self._iterators[recipe]
        # What was made ahead while others were measured must not count.
        for _ in range(NUM_SKIPPED):
            next(iterator)
        begin, cpu_begin = time.perf_counter(), time.process_time()
        for _ in range(NUM_TIMED):
            next(iterator)
        return {"wall_sec": time.perf_counter() - begin, "cpu_sec": time.process_time() - cpu_begin}


class TorchPipeline:
    """Batches of a DataLoader in another process."""

    def __init__(self, python: str, jpegs: list[list[bytes]], batch_size: int, num_workers: int, folder: Path) -> None:
        listed = folder / "jpegs.pickle"
        listed.write_bytes(pickle.dumps(jpegs))
        root = Path(__file__).parent.parent.parent
        command = [python, "-W", "ignore", str(Path(__file__).with_name("torch_loader.py"))]
        self._process = subprocess.Popen(
            [*command, str(listed), str(batch_size), str(num_workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        print("PyTorch", json.loads(self._process.stdout.readline())["torch"])

    def measure(self, work: str) -> dict[str, float]:
        self._process.stdin.write(f"{work} {NUM_SKIPPED} {NUM_TIMED}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def measure_opencv(jpegs: list[bytes], num_threads: int) -> dict[str, float]:
    """Decodes everything once and throws it away."""

    def work(part: list[bytes]) -> None:
        for one in part:
            cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR_RGB)

    threads = [threading.Thread(target=work, args=(jpegs[n::num_threads],)) for n in range(num_threads)]
    begin, cpu_begin = time.perf_counter(), time.process_time()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return {"wall_sec": time.perf_counter() - begin, "cpu_sec": time.process_time() - cpu_begin}


def measure_step(ours: OurPipeline, backbone: str, batch_size: int, pipeline_ms: float, num_steps: int = 4) -> None:
    """Prints what share of a training step is spent on its batch, and the frames a second that both sides manage.

    Where the model runs on a GPU the cores are the pipeline's alone, and the step waits for it or not. Where they share
    the cores there is no waiting, so that the share is that of the processor time.

    Args:
        ours: the pipeline.
        backbone: name of a file in backbones/.
        batch_size: clips of a step.
        pipeline_ms: processor time of the pipeline, in milliseconds a frame.
        num_steps: how many are timed.
    """
    import keras

    from deepfake_tf.batching.timing import Timing
    from deepfake_tf.learning.settings import ModelSettings
    from deepfake_tf.model import build_model

    spec = ours.clips.spec
    settings = ModelSettings(
        backbone=backbone, head="mean", num_frames=spec.num_frames, image_size=spec.crop_size_px, head_settings={}
    )
    model = build_model(settings)
    model = keras.Model(model.input, keras.ops.expand_dims(model.output, -1))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    ours._batch_size = batch_size
    iterator = iter(ours.batches("article"))
    model.train_on_batch(*next(iterator))
    timing = Timing()
    steps = timing.watch(next(iterator) for _ in range(num_steps))
    begin, cpu_begin = time.perf_counter(), time.process_time()
    for batch in steps:
        model.train_on_batch(*batch)
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
    wait = timing.snapshot()["wait"]["total_sec"]
    num_frames = batch_size * spec.num_frames
    in_all_ms = 1000 * cpu / num_steps / num_frames
    print(
        f"{backbone}, {batch_size} clips a step: {wall / num_steps:.2f} s a step, {100 * wait / wall:.2f} % of it "
        f"waiting for the batch; {pipeline_ms:.2f} of {in_all_ms:.1f} ms of processor time a frame "
        f"({100 * pipeline_ms / in_all_ms:.2f} %) are the pipeline's; wanted: less than 5 %. The step consumes "
        f"{num_steps * num_frames / wall:.0f} frames/s; the pipeline alone offers "
        f"{1000 * ours.num_workers / pipeline_ms:.0f} with {ours.num_workers} threads that have a core each"
    )


PAIRS = (
    ("decoding and batching", "ours: decode", "OpenCV alone", 0.9),
    ("article, whole clips", "ours: article", "torch: clip", 1.0),
    ("article, the same ops", "ours: article", "torch: ours", 1.0),
    ("article, the usual way", "ours: article", "torch: frames", 1.3),
)


def print_table(results: dict[str, list[dict[str, float]]], frames: dict[str, int]) -> None:
    rates = {name: [frames[name] / one["wall_sec"] for one in of] for name, of in results.items()}
    cpu_ms = {name: statistics.median(1000 * one["cpu_sec"] / frames[name] for one in results[name]) for name in rates}
    print(f"{'work':<28}{'frames/s':>10}{'least':>8}{'most':>8}{'cpu ms/frame':>14}")
    for name, of in rates.items():
        print(f"{name:<28}{statistics.median(of):>10.0f}{min(of):>8.0f}{max(of):>8.0f}{cpu_ms[name]:>14.3f}")
    print()
    for what, own, other, wanted in PAIRS:
        if other in rates:
            ratios = [a / b for a, b in zip(rates[own], rates[other], strict=True)]
            print(
                f"{what}: {own} / {other} = {statistics.median(ratios):.2f} x in frames/s (rounds {min(ratios):.2f} to "
                f"{max(ratios):.2f}), {cpu_ms[other] / cpu_ms[own]:.2f} x by processor time; wanted {wanted} x"
            )


def measure_all(works: dict[str, Callable], num_rounds: int) -> dict[str, list[dict[str, float]]]:
    """Times every kind of work once a round; the first round, which is not counted, warms up."""
    results = defaultdict(list)
    for number in range(num_rounds + 1):
        for work, measure in works.items():
            found = measure()
            if number:
                results[work].append(found)
    return results


def run(arguments: argparse.Namespace, folder: Path) -> None:
    batch_size, num_workers = arguments.batch_size, arguments.workers
    data_dir = write_data(folder, arguments.size, arguments.frames, arguments.clips)
    ours = OurPipeline(data_dir, batch_size, num_workers)
    jpegs = [list(ours.clips.read(row)[0]) for row in range(len(ours.clips))]
    flat = [one for clip in jpegs for one in clip]
    works = {
        "OpenCV alone": lambda: measure_opencv(flat, num_workers),
        "ours: decode": lambda: ours.measure("none"),
        "ours: article": lambda: ours.measure("article"),
    }
    torch = None
    if arguments.torch_python:
        torch = TorchPipeline(arguments.torch_python, jpegs, batch_size, num_workers, folder)
        for work in ("decode", "clip", "ours", "frames"):
            works[f"torch: {work}"] = lambda work=work: torch.measure(work)
    else:
        print("PyTorch is left out: no --torch-python was given")
    results = measure_all(works, arguments.rounds)
    if torch:
        torch.close()
    num_frames = NUM_TIMED * batch_size * arguments.frames
    print(
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {num_workers} workers, {arguments.rounds} rounds"
    )
    print_table(results, {work: len(flat) if work == "OpenCV alone" else num_frames for work in works})
    if arguments.train_step:
        of_article = [1000 * one["cpu_sec"] / num_frames for one in results["ours: article"]]
        measure_step(ours, arguments.train_step, batch_size=2, pipeline_ms=statistics.median(of_article))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="a Python that has torch, opencv and albumentations")
    parser.add_argument("--size", type=int, default=224, help="crops, in pixels")
    parser.add_argument("--frames", type=int, default=8, help="crops of a clip")
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--train-step", metavar="BACKBONE", help="also the share of a training step of this backbone")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        run(arguments, Path(name))


if __name__ == "__main__":
    main()
