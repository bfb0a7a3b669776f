"""What is known of one call: it becomes one line of the log and a few counts, none of which holds content or names."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deepfake_tf.errors import GatewayBusyError, GatewayStoppingError, RequestError, VideoError
from deepfake_tf.judging.verdict import Verdict

log = logging.getLogger("serving.gateway")

_CALLERS_DOING = (RequestError, VideoError, GatewayBusyError, GatewayStoppingError, TimeoutError)


@dataclass
class CallRecord:
    """One call, while it goes on and when it has ended.

    Attributes:
        method: its name in the .proto file; "Job" for the work on a job.
        on_end: is told when it has ended.
        request_id: what it is called in logs.
        num_bytes: that came.
        verdict: that it ended with.
        code: the gRPC status that it ended with.
        total_sec: how long it took.
    """

    method: str
    on_end: "Callable[[CallRecord], None]"
    request_id: str = ""
    num_bytes: int = 0
    upload_sec: float = 0.0
    verdict: Verdict | None = None
    code: str = ""
    total_sec: float = 0.0
    begin: float = field(default_factory=time.monotonic)

    def end(self, code: str, error: BaseException | None = None) -> None:
        """Notes how the call ended, and logs it: no name, no content, no score."""
        self.code, self.total_sec = code, time.monotonic() - self.begin
        self.on_end(self)
        fields = {"method": self.method, "code": code, "total_ms": round(self.total_sec * 1000)}
        if self.request_id:
            fields["request"] = self.request_id
        if self.num_bytes:
            fields |= {"bytes": self.num_bytes, "upload_ms": round(self.upload_sec * 1000)}
        if self.verdict is not None:
            stages = {stage: round(value) for stage, value in self.verdict.timing_ms.items()}
            fields |= {"verdict": str(self.verdict.verdict), "model": self.verdict.model.version, "stages_ms": stages}
        if error is None or isinstance(error, _CALLERS_DOING):
            log.info("%s ended", self.method, extra={"fields": fields})
        else:
            fields["error"] = repr(error)
            log.warning("%s failed", self.method, extra={"fields": fields}, exc_info=code == "INTERNAL" and error)
