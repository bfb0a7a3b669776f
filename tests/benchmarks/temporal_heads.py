"""Does a head over time see what only time shows? Trains two heads on clips made for the question.

python -m tests.benchmarks.temporal_heads [--seeds 5] [--heads lstm mean]

Prints the AUC on a test split for each head and seed: where the only trace is the order of the frames (flicker), and
where it is in every frame alike. The heads share the backbone, the data, the seed and the number of epochs.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from deepfake_tf import metrics, native_output, plugins
from tests.clips_of_flicker import TRACES, write_flicker

NUM_VIDEOS = {"train": 160, "val": 40, "test": 200}
EPOCHS = 10


def auc_of(data_dir: Path, run_dir: Path, head: str, seed: int, *, epochs: int = EPOCHS) -> float:
    """Trains one head; returns its AUC on the test split."""
    from deepfake_tf import runs
    from deepfake_tf.batching.clip_table import list_clips
    from deepfake_tf.judging import scoring
    from deepfake_tf.learning import training
    from deepfake_tf.learning.settings import TrainSettings

    settings = TrainSettings(
        backbone_settings={"channels": [8, 16], "dropout": 0.0},
        head=head,
        head_settings={"units": 16} if head == "lstm" else {},
        dropout=0.0,
        recipe="none",
        learning_rate=1e-2,
        epochs=epochs,
        patience=0,
        seed=seed,
    )
    training.train(data_dir, run_dir, settings)
    model, _ = runs.load_run(run_dir)
    clips = list_clips(data_dir, ["test"])
    return metrics.compute_all(clips.labels, scoring.clip_scores(scoring.predict_logits(model, clips)))["roc_auc"]


def measure(folder: Path, trace: str, heads: list[str], seeds: list[int]) -> dict[str, list[float]]:
    """Returns the AUC of each head for each seed, which is that of the data as well."""
    found: dict[str, list[float]] = {head: [] for head in heads}
    for seed in seeds:
        data_dir = write_flicker(folder / f"{trace}-{seed}", trace, NUM_VIDEOS, seed=seed)
        for head in heads:
            found[head].append(auc_of(data_dir, folder / f"{trace}-{seed}-{head}", head, seed))
            print(f"{trace:<6} seed {seed}  {head:<20} AUC {found[head][-1]:.3f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--heads", nargs="+", default=["lstm", "mean"], choices=plugins.names("heads"))
    arguments = parser.parse_args()
    native_output.load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        for trace in TRACES:
            found = measure(Path(folder), trace, arguments.heads, list(range(arguments.seeds)))
            for head, values in found.items():
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                print(f"{trace:<6} {head:<20} mean AUC {statistics.fmean(values):.3f}, standard deviation {spread:.3f}")


if __name__ == "__main__":
    main()
