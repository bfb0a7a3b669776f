"""What the gateway counts, for Prometheus: calls, stages, uploads, faces, scores and how they drift."""

import collections
from collections.abc import Callable, Sequence

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from deepfake_tf.judging.verdict import Verdict
from deepfake_tf.schema import SCORE_BINS, ServableSpec
from serving.call_record import CallRecord

NUM_NEWEST_SCORES = 1000
FEWEST_SCORES = 50
"""Below this the drift is chance: it is not told."""

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_BYTES = tuple(float(10**power) for power in range(4, 11))
_FACES = (0, 1, 2, 3, 4, 8)
_SCORES = tuple(number / SCORE_BINS for number in range(1, SCORE_BINS + 1))


class Monitoring:
    """The counts of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._calls = Counter(
            "deepfake_calls", "Calls that have ended, by gRPC status.", ["method", "code"], registry=registry
        )
        self._call_sec = Histogram(
            "deepfake_call_seconds", "Calls that ended well.", ["method"], buckets=_SECONDS, registry=registry
        )
        self._stage_sec = Histogram(
            "deepfake_stage_seconds", "Stages of judging a video.", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._upload_bytes = Histogram("deepfake_upload_bytes", "Uploads.", buckets=_BYTES, registry=registry)
        self._faces = Histogram("deepfake_faces", "Faces judged in a video.", buckets=_FACES, registry=registry)
        self._verdicts = Counter(
            "deepfake_verdicts", "Verdicts, by answer and model.", ["verdict", "model_version"], registry=registry
        )
        self._scores = Histogram(
            "deepfake_scores", "Calibrated scores.", ["model_version"], buckets=_SCORES, registry=registry
        )
        self._drift = Gauge(
            "deepfake_score_drift",
            f"Jensen-Shannon divergence, 0 to 1 bit, of the newest {NUM_NEWEST_SCORES} scores from validation's.",
            ["model_version"],
            registry=registry,
        )
        self._canary_failures = Counter(
            "deepfake_canary_failures", "Videos that stable judged as the canary failed.", registry=registry
        )
        self._model_up = Gauge("deepfake_model_up", "1 if the model answers and is understood.", registry=registry)
        self._model_version = Gauge("deepfake_model_version", "The version that judges.", registry=registry)
        self._expected: dict[int, tuple[int, ...]] = {}
        self._newest: dict[int, collections.deque[float]] = {}

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Has a number told whenever somebody asks."""
        Gauge(f"deepfake_{name}", meaning, registry=self.registry).set_function(value)

    def count(self, record: CallRecord) -> None:
        """Counts a call that has ended."""
        self._calls.labels(record.method, record.code).inc()
        if record.num_bytes:
            self._upload_bytes.observe(record.num_bytes)
        if record.code == "OK":
            self._call_sec.labels(record.method).observe(record.total_sec)
        if record.verdict is not None:
            self._count_verdict(record.verdict)

    def count_refusal(self) -> None:
        """Counts a call that brought no token, or a wrong one."""
        self._calls.labels("-", "UNAUTHENTICATED").inc()

    def count_canary_failure(self) -> None:
        """Counts a video that the stable model judged because the canary failed on it."""
        self._canary_failures.inc()

    def note_model(self, spec: ServableSpec | None, *, is_stable: bool = True) -> None:
        """Learns which model judges now, None for none that is understood, and how its scores should look."""
        if is_stable:
            self._model_up.set(spec is not None)
        if spec is None:
            return
        self._expected[spec.model_version] = spec.score_histogram
        if is_stable:
            self._model_version.set(spec.model_version)

    def serve(self, host: str, port: int) -> tuple[int, Callable[[], None]]:
        """Answers Prometheus over HTTP, on a thread.

        Args:
            host: address to listen on.
            port: 0 takes a free one.

        Returns:
            The port, and what ends it.

        Raises:
            OSError: the port is taken.
        """
        server, thread = start_http_server(port, host, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return server.server_port, stop

    def _count_verdict(self, verdict: Verdict) -> None:
        version = verdict.model.version
        self._verdicts.labels(str(verdict.verdict), version).inc()
        self._faces.observe(len(verdict.tracks))
        for stage, value_ms in verdict.timing_ms.items():
            self._stage_sec.labels(stage).observe(value_ms / 1000)
        if verdict.score is None:
            return
        self._scores.labels(version).observe(verdict.score)
        newest = self._newest.setdefault(version, collections.deque(maxlen=NUM_NEWEST_SCORES))
        newest.append(verdict.score)
        expected = self._expected.get(version, ())
        if sum(expected) and len(newest) >= FEWEST_SCORES:
            self._drift.labels(version).set(drift(np.histogram(newest, SCORE_BINS, (0.0, 1.0))[0].tolist(), expected))


def drift(counts: Sequence[int], expected: Sequence[int]) -> float:
    """Returns the Jensen-Shannon divergence of two histograms in bits, 0 for equal and 1 for disjoint ones.

    It needs no smoothing where a bin is empty (J. Lin, "Divergence measures based on the Shannon entropy", IEEE
    Transactions on Information Theory 37, 1991). Two samples of n and m scores of one distribution differ by about
    (bins - 1) / (8 ln 2) * (1 / n + 1 / m): what is well above that is no chance.

    Args:
        counts: of each bin, one or more in all.
        expected: likewise, of as many bins.
    """
    p, q = (np.asarray(one, np.float64) / sum(one) for one in (counts, expected))
    middle = (p + q) / 2

    def divergence(one: "np.ndarray") -> float:
        return float(np.sum(one[one > 0] * np.log2(one[one > 0] / middle[one > 0])))

    return min(max((divergence(p) + divergence(q)) / 2, 0.0), 1.0)
