"""A video goes in, a verdict comes out.

from deepfake_tf.detector import Detector
with Detector.load("servables/detector") as detector:
    print(detector.judge("x.mp4"))
"""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import archives, plugins
from deepfake_tf.errors import ConfigError, PredictorUnavailableError
from deepfake_tf.extraction import Extraction, extract, extract_bounded
from deepfake_tf.judging import verdict
from deepfake_tf.judging.verdict import Verdict
from deepfake_tf.predictors import DEFAULT_DEADLINE_SEC, Predictor
from deepfake_tf.schema import Clip, Limits, ServableSpec
from deepfake_tf.workers import WorkerPool

MAX_CLIPS_PER_REQUEST = 4
"""A video of more clips takes several requests. On a processor 2 to 4 clips at once are the quickest, and 16 slower
than one by one (`python -m tests.benchmarks.serving_overhead VIDEO`); on a GPU the model server joins requests."""

PREDICT_STAGE = "predict"

Progress = Callable[[str, float], None]
"""Takes the name of a stage and the share of it that is done, in [0, 1]."""


@dataclass(frozen=True)
class Detector:
    """Judges videos with one model. Threads may share it.

    Attributes:
        predictor: the model.
        limits: on what one video may cost.
        pool: where videos are turned into clips, in worker processes that hold the limits whatever happens; in this
            process if None.
    """

    predictor: Predictor
    limits: Limits = Limits()
    pool: WorkerPool | None = None

    @classmethod
    def load(
        cls,
        target: str | Path,
        *,
        sha256: str | None = None,
        limits: Limits | None = None,
        pool: WorkerPool | None = None,
    ) -> Self:
        """Opens a model.

        Args:
            target: a servable's folder, such as "servables/detector", a .tflite file, host:port of a model server, or
                the https address of an archive that pipelines.publish made.
            sha256: of that archive; nothing is fetched without it.
            limits: on what one video may cost.
            pool: worker processes that turn videos into clips.

        Raises:
            ConfigError: it is none of these.
            AssetError: what lies at the address is not what the hash says.
            ServableError: the servable cannot be loaded.
        """
        if "://" in str(target):
            target = archives.fetch_servable(str(target), sha256)
        elif sha256 is not None:
            raise ConfigError(f"A SHA-256 belongs to an https address. Received: {str(target)!r}")
        return cls(open_predictor(target), limits or Limits(), pool)

    def judge(
        self,
        path: str | Path,
        *,
        on_progress: Progress | None = None,
        deadline_sec: float = math.inf,
        request_id: str = "",
    ) -> Verdict:
        """Judges one video.

        Args:
            path: the file.
            on_progress: is told how far it is; what it raises ends the work.
            deadline_sec: how long all of it may take.
            request_id: is repeated in the verdict.

        Returns:
            The verdict. A video without a face, or one that cannot be read, has one too.

        Raises:
            ConfigError: there is no such file.
            PredictorError: the model does not answer.
            ServableError: it answers with something that is no logit.
        """
        tell = on_progress or (lambda stage, share: None)
        end = time.monotonic() + deadline_sec
        spec = self.predictor.spec(deadline_sec=_remaining(end))
        extraction = self._extract(path, spec, tell, end)
        begin = time.perf_counter()
        try:
            logits = self._predict(extraction.clips, spec, tell, end)
        except PredictorUnavailableError:
            # A version that was replaced meanwhile is gone: the new one judges.
            newer = self.predictor.spec(deadline_sec=_remaining(end))
            if newer.model_version == spec.model_version:
                raise
            if newer.clip_spec != spec.clip_spec:
                extraction = self._extract(path, newer, tell, end)
            spec = newer
            logits = self._predict(extraction.clips, spec, tell, end)
        timing_ms = {PREDICT_STAGE: (time.perf_counter() - begin) * 1000} if extraction.clips else {}
        return verdict.decide(extraction, logits, spec, timing_ms=timing_ms, request_id=request_id)

    def judge_all(
        self, paths: Sequence[str | Path], *, num_threads: int = 1, on_progress: Progress | None = None
    ) -> Iterator[Verdict]:
        """Judges many videos.

        Args:
            paths: the files.
            num_threads: videos judged at a time; more than one is of use with a pool.
            on_progress: is told how far single videos are, from several threads.

        Yields:
            Their verdicts, in order.

        Raises:
            DeepfakeError: as `judge`.
        """
        judge = functools.partial(self.judge, on_progress=on_progress)
        with ThreadPoolExecutor(num_threads) as threads:
            try:
                yield from threads.map(judge, paths)
            finally:
                threads.shutdown(cancel_futures=True)

    def logits(
        self, clips: Sequence[Clip], spec: ServableSpec, *, deadline_sec: float = math.inf
    ) -> NDArray[np.float32]:
        """Returns the logit of each clip, float32 [N], by the model that said `spec`.

        Raises:
            PredictorError: the model does not answer.
        """
        return self._predict(clips, spec, lambda stage, share: None, time.monotonic() + deadline_sec)

    def close(self) -> None:
        """Lets go of the model; the pool stays the caller's."""
        self.predictor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _extract(self, path: str | Path, spec: ServableSpec, tell: Progress, end: float) -> Extraction:
        limits = replace(self.limits, time_limit_sec=min(self.limits.time_limit_sec, _remaining(end, at_most=math.inf)))
        if self.pool is None:
            return extract(path, spec.clip_spec, limits=limits, on_progress=tell)
        return extract_bounded(self.pool, path, spec.clip_spec, limits=limits, on_progress=tell)

    def _predict(self, clips: Sequence[Clip], spec: ServableSpec, tell: Progress, end: float) -> NDArray[np.float32]:
        parts = []
        for begin in range(0, len(clips), MAX_CLIPS_PER_REQUEST):
            tell(PREDICT_STAGE, begin / len(clips))
            some = clips[begin : begin + MAX_CLIPS_PER_REQUEST]
            mask = np.stack([clip.mask for clip in some])
            parts.append(
                self.predictor.predict([clip.crops for clip in some], mask, spec=spec, deadline_sec=_remaining(end))
            )
        if parts:
            tell(PREDICT_STAGE, 1.0)
        return np.concatenate(parts) if parts else np.zeros([0], np.float32)


def open_predictor(target: str | Path) -> Predictor:
    """Opens the model that a target names.

    Args:
        target: a folder or a .tflite file on disk, or host:port.

    Raises:
        ConfigError: it is neither.
    """
    if Path(target).is_dir():
        name = "saved_model"
    elif Path(target).is_file() and Path(target).suffix == ".tflite":
        name = "litert"
    elif isinstance(target, str) and target.rpartition(":")[2].isdigit():
        name = "tf_serving"
    else:
        raise ConfigError(
            "A model is named by its folder, such as servables/detector, by a .tflite file, or by host:port of a model "
            f"server. Received: {str(target)!r}"
        )
    opened: Predictor = plugins.load("predictors", name).open_predictor(target)
    return opened


def _remaining(end: float, *, at_most: float = DEFAULT_DEADLINE_SEC) -> float:
    return min(end - time.monotonic(), at_most)
