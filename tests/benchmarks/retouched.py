"""What a model says of photographs that people retouched: a measure of fakes that no matched pair has a say in.

    python -m tests.benchmarks.retouched CLIPS RUN DIR

CLIPS is a folder `clips-<spec>` of pipelines.generalise, beside which the photographs of DIR/real and DIR/fake are cut
like its own. Both should be of one sort: one camera's or collection's, one format, one size. To choose on these and to
report on the matched pairs flatters nobody.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepfake_tf.batching.clip_table import ClipTable, list_clips
from deepfake_tf.blended_data import BlendSettings, blend_data
from deepfake_tf.generalising import tables
from deepfake_tf.generalising.material import Material
from deepfake_tf.generalising.scores import Logits
from deepfake_tf.judging import scoring
from deepfake_tf.judging.decision import Decision
from deepfake_tf.judging.scoring import VideoScores, predict_logits
from deepfake_tf.reporting import measures
from deepfake_tf.runs import load_run
from deepfake_tf.schema import FAKE, REAL


def cut(clips: Path, photographs: Path) -> dict[int, ClipTable]:
    """Returns the clips of both kinds, by label."""
    spec, found = Material(clips).photographs.spec, {}
    for label, kind in ((REAL, "real"), (FAKE, "fake")):
        folder = clips.with_name(f"{clips.name}-{photographs.name}-{kind}")
        # Labelled real, all of them, since nothing else is cut from photographs; the label here is the key.
        index = blend_data(photographs / kind, folder, BlendSettings(fakes_per_clip=0, spec=spec))
        found[label] = list_clips(folder, [split for split, shards in index.shards.items() if shards])
    return found


def measure(model: keras.Model, both: dict[int, ClipTable]) -> dict[str, Any]:
    """Returns the AUC with its interval over photographs."""
    return of_videos(ask(model, both))


def of_logits(both: dict[int, Logits]) -> dict[str, Any]:
    """As `measure`, of logits by label."""
    return of_videos(as_videos(both))


def of_videos(videos: VideoScores) -> dict[str, Any]:
    found = measures.summarise(videos.labels, videos.logits, videos.groups, Decision())
    counts = {name: found[name] for name in ("num_real", "num_fake")}
    return {**counts, "auc": found["metrics"]["roc_auc"], "interval": found["intervals"]["roc_auc"]}


def ask(model: keras.Model, both: dict[int, ClipTable]) -> VideoScores:
    return as_videos({label: predict_logits(model, clips, batch_size=32) for label, clips in both.items()})


def as_videos(both: dict[int, Logits]) -> VideoScores:
    """Each photograph as a video of one clip and of another person."""
    logits = np.concatenate(list(both.values()))
    names = tuple(str(number) for number in range(len(logits)))
    return VideoScores(
        video_ids=names,
        labels=np.repeat(list(both), [len(one) for one in both.values()]),
        groups=names,
        logits=logits,
        scores=scoring.clip_scores(logits),
        num_clips=np.ones(len(logits), np.int64),
        track_logits=tuple({0: float(one)} for one in logits),
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("photographs", type=Path, metavar="DIR")
    chosen = parser.parse_args(argv)
    model, _ = load_run(chosen.run)
    found = measure(model, cut(chosen.clips, chosen.photographs))
    print(f"{found['num_real']} real, {found['num_fake']} retouched: AUC {tables.value(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
