"""A run's models for small machines: the .tflite files of each kind, and one table of them beside the SavedModel.

The ranges of int8 come from the training split, and how near each kind comes is measured on the validation split, which
the conversion has not seen.
"""

import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_tf import atomic, runs, schema
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.crops import decode_jpeg
from deepfake_tf.errors import ConfigError, PredictorError
from deepfake_tf.export import export_model, spec_of_run, weights_sha256
from deepfake_tf.judging import scoring, verdict
from deepfake_tf.litert import KINDS, Example, Kind, export_litert
from deepfake_tf.predictors import Predictor
from deepfake_tf.predictors.litert import SUFFIX, LiteRTPredictor
from deepfake_tf.predictors.saved_model import SavedModelPredictor
from deepfake_tf.reporting.evaluation import check_data, labelled_clips
from deepfake_tf.schema import ServableSpec

NUM_EXAMPLES = 100
MAX_CLIPS = 200
TABLE_FILE = "litert.json"
SAVED_MODEL = "SavedModel"


@dataclass(frozen=True)
class EdgeExport:
    """What is made of a run, and on how much it is measured.

    Attributes:
        kinds: of litert.KINDS.
        model_name: name of the files, and what they say of themselves.
        model_version: what they say of themselves.
        num_examples: clips of the training split that int8 takes its ranges from.
        max_clips: clips of the validation split that the table is measured on.
    """

    kinds: tuple[Kind, ...] = KINDS
    model_name: str = schema.MODEL_NAME
    model_version: int = 1
    num_examples: int = NUM_EXAMPLES
    max_clips: int = MAX_CLIPS

    def __post_init__(self) -> None:
        for name in ("model_version", "num_examples", "max_clips"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more. Received: {getattr(self, name)}")


def export_run(
    run_dir: Path | str,
    data_dir: Path | str,
    out_dir: Path | str,
    wanted: EdgeExport = EdgeExport(),
    *,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Writes OUT/<name>-<kind>.tflite for each kind, and OUT/litert.json, the table.

    A file that was made from the same run and clips is left as it is; the table is measured anew.

    Args:
        run_dir: the folder of a finished training.
        data_dir: a finished extraction, such as the run learned from.
        out_dir: is made if it is not there.
        wanted: what to make.
        on_progress: is told what is being done, and how much of it is done, and of how much.

    Returns:
        The table: {"name", "num_bytes", "score_difference", "agreement", "ms_per_clip"} of the SavedModel and of each
        kind, whose row has "path" and "made" (now, or before) as well.

    Raises:
        ConfigError: there is no such run, or the clips are of another kind than those it learned from.
        ServableError: the network cannot be converted.
    """
    tell = on_progress or (lambda what, done, total: None)
    tell("loading the run", 0, 1)
    model, run = runs.load_run(run_dir)
    fingerprint = check_data(run, data_dir)
    spec = dataclasses.replace(spec_of_run(run, run_dir, wanted.model_name), model_version=wanted.model_version)
    num_frames = spec.clip_spec.num_frames
    examples = examples_of(labelled_clips(data_dir, "train").with_num_frames(num_frames), wanted.num_examples)
    clips = choose_videos(labelled_clips(data_dir, "val").with_num_frames(num_frames), wanted.max_clips)
    source = {"weights_sha256": weights_sha256(model), "data": fingerprint, "num_examples": len(examples)}
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    paths = {kind: out / f"{wanted.model_name}-{kind}{SUFFIX}" for kind in wanted.kinds}
    made = export_litert(
        model,
        spec,
        paths,
        examples=examples,
        source=source,
        on_progress=lambda kind: tell(f"converting to {kind}", list(paths).index(kind), len(paths)),
    )
    with tempfile.TemporaryDirectory() as folder:
        tell("exporting the SavedModel to compare with", 0, 1)
        saved = export_model(model, spec, Path(folder) / wanted.model_name, version=wanted.model_version)
        predictors: list[Predictor] = [SavedModelPredictor(saved), *(LiteRTPredictor(path) for path in paths.values())]
        try:
            compared = compare(predictors, clips, spec, on_progress=lambda *done: tell("judging clips", *done))
        finally:
            for one in predictors:
                one.close()
        sizes = [_folder_bytes(saved), *(path.stat().st_size for path in paths.values())]
    names = [SAVED_MODEL, *paths]
    table = [
        {"name": name, "num_bytes": size, **dataclasses.asdict(one)}
        | ({"path": str(paths[name]), "made": made[name]} if name in paths else {})
        for name, size, one in zip(names, sizes, compared, strict=True)
    ]
    on = {"split": "val", "num_videos": len(set(clips.video_ids)), "num_clips": len(clips)}
    atomic.write_whole(out / TABLE_FILE, (json.dumps({"measured_on": on, "table": table}, indent=2) + "\n").encode())
    return table


def _folder_bytes(folder: Path) -> int:
    """Returns the size of the graph and its weights, without the warm-up requests."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "assets.extra" not in path.parts)


@dataclass(frozen=True)
class Comparison:
    """What one predictor does on the same clips as the first of them.

    Attributes:
        score_difference: largest difference between two calibrated video scores.
        agreement: share of the videos with the same answer.
        ms_per_clip: median, one clip at a time, decoding included.
    """

    score_difference: float
    agreement: float
    ms_per_clip: float


def compare(
    predictors: Sequence[Predictor],
    clips: ClipTable,
    spec: ServableSpec,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Comparison]:
    """Judges the same clips with each predictor, in turn clip by clip, so that the machine's moods hit all alike.

    Args:
        predictors: the first is what the others are held against.
        clips: N clips of whole videos.
        spec: how logits become answers.
        on_progress: called with the number of clips done and of all.

    Returns:
        One for each predictor.

    Raises:
        PredictorError: one of them gives something that is no finite number.
    """
    logits = np.empty([len(predictors), len(clips)])
    times: list[list[float]] = [[] for _ in predictors]
    for row in range(len(clips)):
        crops, mask = clips.read(row)
        for turn in range(len(predictors)):
            number = (row + turn) % len(predictors)
            begin = time.perf_counter()
            logits[number, row] = predictors[number].predict([crops], mask[None], spec=spec)[0]
            times[number].append((time.perf_counter() - begin) * 1000)
        if on_progress:
            on_progress(row + 1, len(clips))
    if not np.all(np.isfinite(logits)):
        raise PredictorError("A model gave logits that are no finite numbers. Choose another kind, or export again.")
    joined = [
        scoring.join_videos(clips, one, joining=spec.joining, calibration=spec.calibration).scores for one in logits
    ]
    answers = [[verdict.answer(score, threshold=spec.threshold, band=spec.band) for score in one] for one in joined]
    return [
        Comparison(
            score_difference=float(np.max(np.abs(joined[number] - joined[0]))),
            agreement=float(np.mean([one == other for one, other in zip(answers[number], answers[0], strict=True)])),
            # The first of each warms it up.
            ms_per_clip=statistics.median(times[number][1:] or times[number]),
        )
        for number in range(len(predictors))
    ]


def choose_videos(clips: ClipTable, max_clips: int) -> ClipTable:
    """Returns the clips of whole videos, evenly taken from the table, some `max_clips` of them at most.

    Args:
        clips: one or more.
        max_clips: 1 or more; the clips of one video are taken even if they are more.
    """
    rows = list(scoring.rows_by_video(clips).values())
    step = -(-len(clips) // max_clips)
    return clips.select(sorted(row for own in rows[::step] for row in own))


def examples_of(clips: ClipTable, max_clips: int) -> list[Example]:
    """Returns the pixels and masks of clips taken evenly from a table.

    Args:
        clips: one or more.
        max_clips: at most so many.
    """
    rows = np.unique(np.linspace(0, len(clips) - 1, min(max_clips, len(clips))).astype(int))
    found = [clips.read(int(row)) for row in rows]
    return [(np.stack([decode_jpeg(crop) for crop in crops]), mask) for crops, mask in found]
