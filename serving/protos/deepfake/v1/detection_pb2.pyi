import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AnalyzeRequest(_message.Message):
    __slots__ = ("options", "chunk")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    options: AnalyzeOptions
    chunk: bytes
    def __init__(self, options: _Optional[_Union[AnalyzeOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class AnalyzeOptions(_message.Message):
    __slots__ = ("name", "size_bytes", "sha256", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    sha256: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class AnalyzeEvent(_message.Message):
    __slots__ = ("received", "progress", "verdict")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    received: Received
    progress: Progress
    verdict: Verdict
    def __init__(self, received: _Optional[_Union[Received, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ...) -> None: ...

class Received(_message.Message):
    __slots__ = ("request_id", "size_bytes", "sha256")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    size_bytes: int
    sha256: str
    def __init__(self, request_id: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "fraction")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    stage: str
    fraction: float
    def __init__(self, stage: _Optional[str] = ..., fraction: _Optional[float] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[Outcome.Value]
        OK: _ClassVar[Outcome.Value]
        NO_FACE: _ClassVar[Outcome.Value]
        UNREADABLE: _ClassVar[Outcome.Value]
        TOO_LARGE: _ClassVar[Outcome.Value]
        TOO_LONG: _ClassVar[Outcome.Value]
        TIMEOUT: _ClassVar[Outcome.Value]
    OUTCOME_UNSPECIFIED: Outcome.Value
    OK: Outcome.Value
    NO_FACE: Outcome.Value
    UNREADABLE: Outcome.Value
    TOO_LARGE: Outcome.Value
    TOO_LONG: Outcome.Value
    TIMEOUT: Outcome.Value
    def __init__(self) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("verdict", "outcome", "reason", "score", "threshold", "band", "coverage", "tracks", "model", "timing_ms", "request_id")
    class Answer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ANSWER_UNSPECIFIED: _ClassVar[Verdict.Answer]
        REAL: _ClassVar[Verdict.Answer]
        FAKE: _ClassVar[Verdict.Answer]
        INCONCLUSIVE: _ClassVar[Verdict.Answer]
        NO_FACE: _ClassVar[Verdict.Answer]
        UNREADABLE: _ClassVar[Verdict.Answer]
    ANSWER_UNSPECIFIED: Verdict.Answer
    REAL: Verdict.Answer
    FAKE: Verdict.Answer
    INCONCLUSIVE: Verdict.Answer
    NO_FACE: Verdict.Answer
    UNREADABLE: Verdict.Answer
    class TimingMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMING_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    verdict: Verdict.Answer
    outcome: Outcome.Value
    reason: str
    score: float
    threshold: float
    band: float
    coverage: float
    tracks: _containers.RepeatedCompositeFieldContainer[Track]
    model: Model
    timing_ms: _containers.ScalarMap[str, float]
    request_id: str
    def __init__(self, verdict: _Optional[_Union[Verdict.Answer, str]] = ..., outcome: _Optional[_Union[Outcome.Value, str]] = ..., reason: _Optional[str] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ..., band: _Optional[float] = ..., coverage: _Optional[float] = ..., tracks: _Optional[_Iterable[_Union[Track, _Mapping]]] = ..., model: _Optional[_Union[Model, _Mapping]] = ..., timing_ms: _Optional[_Mapping[str, float]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Track(_message.Message):
    __slots__ = ("id", "score", "clips")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    id: int
    score: float
    clips: _containers.RepeatedCompositeFieldContainer[Clip]
    def __init__(self, id: _Optional[int] = ..., score: _Optional[float] = ..., clips: _Optional[_Iterable[_Union[Clip, _Mapping]]] = ...) -> None: ...

class Clip(_message.Message):
    __slots__ = ("start_sec", "end_sec", "score", "face")
    START_SEC_FIELD_NUMBER: _ClassVar[int]
    END_SEC_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FACE_FIELD_NUMBER: _ClassVar[int]
    start_sec: float
    end_sec: float
    score: float
    face: FaceBox
    def __init__(self, start_sec: _Optional[float] = ..., end_sec: _Optional[float] = ..., score: _Optional[float] = ..., face: _Optional[_Union[FaceBox, _Mapping]] = ...) -> None: ...

class FaceBox(_message.Message):
    __slots__ = ("at_sec", "left_px", "top_px", "right_px", "bottom_px")
    AT_SEC_FIELD_NUMBER: _ClassVar[int]
    LEFT_PX_FIELD_NUMBER: _ClassVar[int]
    TOP_PX_FIELD_NUMBER: _ClassVar[int]
    RIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_PX_FIELD_NUMBER: _ClassVar[int]
    at_sec: float
    left_px: float
    top_px: float
    right_px: float
    bottom_px: float
    def __init__(self, at_sec: _Optional[float] = ..., left_px: _Optional[float] = ..., top_px: _Optional[float] = ..., right_px: _Optional[float] = ..., bottom_px: _Optional[float] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "spec_hash")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SPEC_HASH_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    spec_hash: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., spec_hash: _Optional[str] = ...) -> None: ...

class VideoResult(_message.Message):
    __slots__ = ("name", "verdict", "failure")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    verdict: Verdict
    failure: Failure
    def __init__(self, name: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class SubmitJobRequest(_message.Message):
    __slots__ = ("options", "chunk")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    options: JobOptions
    chunk: bytes
    def __init__(self, options: _Optional[_Union[JobOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class JobOptions(_message.Message):
    __slots__ = ("video", "idempotency_key", "time_to_live")
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_LIVE_FIELD_NUMBER: _ClassVar[int]
    video: AnalyzeOptions
    idempotency_key: str
    time_to_live: _duration_pb2.Duration
    def __init__(self, video: _Optional[_Union[AnalyzeOptions, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., time_to_live: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class WaitJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("job_id", "state", "progress", "verdict", "failure", "submitted_at", "ended_at", "expires_at")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Job.State]
        QUEUED: _ClassVar[Job.State]
        RUNNING: _ClassVar[Job.State]
        DONE: _ClassVar[Job.State]
        FAILED: _ClassVar[Job.State]
        CANCELLED: _ClassVar[Job.State]
    STATE_UNSPECIFIED: Job.State
    QUEUED: Job.State
    RUNNING: Job.State
    DONE: Job.State
    FAILED: Job.State
    CANCELLED: Job.State
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: Job.State
    progress: Progress
    verdict: Verdict
    failure: Failure
    submitted_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[_Union[Job.State, str]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., submitted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AnalyzeLiveRequest(_message.Message):
    __slots__ = ("options", "frame", "segment")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    options: LiveOptions
    frame: LiveFrame
    segment: bytes
    def __init__(self, options: _Optional[_Union[LiveOptions, _Mapping]] = ..., frame: _Optional[_Union[LiveFrame, _Mapping]] = ..., segment: _Optional[bytes] = ...) -> None: ...

class LiveOptions(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class LiveFrame(_message.Message):
    __slots__ = ("image", "timestamp_us")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_US_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    timestamp_us: int
    def __init__(self, image: _Optional[bytes] = ..., timestamp_us: _Optional[int] = ...) -> None: ...

class AnalyzeLiveEvent(_message.Message):
    __slots__ = ("verdict", "until_sec")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    UNTIL_SEC_FIELD_NUMBER: _ClassVar[int]
    verdict: Verdict
    until_sec: float
    def __init__(self, verdict: _Optional[_Union[Verdict, _Mapping]] = ..., until_sec: _Optional[float] = ...) -> None: ...
