"""The REST service as a table: from it the server takes its routes, and openapi.json its description."""

from dataclasses import dataclass
from typing import Literal

VIDEO_TYPES = ("video/*", "application/octet-stream")
JSON_TYPE = "application/json"
LINES_TYPE = "application/x-ndjson"
"""A JSON text a line, each sent as soon as it is known."""


@dataclass(frozen=True)
class Route:
    """One address of the service.

    Attributes:
        method: of HTTP.
        path: with {names} for what varies.
        operation: what it is called: the function of transcoding.Transcoder that answers it.
        summary: what it does, one line.
        about: more, for whoever calls it.
        answer: name of the message that is the answer.
        lines: name of the message that is a line of the answer to a caller who asks for lines, "" if there are none.
        takes_video: whether the body is a video file.
        query: names of the parameters in the query, fields of AnalyzeOptions and JobOptions.
        headers: names of the headers that are parameters.
    """

    method: Literal["GET", "POST"]
    path: str
    operation: str
    summary: str
    about: str
    answer: str
    lines: str = ""
    takes_video: bool = False
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


IDEMPOTENCY_KEY = "Idempotency-Key"
_VIDEO_QUERY = ("name", "sizeBytes", "sha256", "requestId")
_BODY = (
    "The body is the file itself, of any length the limits allow, with or without Content-Length. "
    "It is worked on as it comes, lies in a private temporary file while it is judged, and is deleted then."
)

ROUTES = (
    Route(
        "POST",
        "/v1/videos:analyze",
        "analyze_video",
        "Judges one video while the caller waits.",
        f"{_BODY} With `Accept: {LINES_TYPE}` progress comes first, a line for each event, the verdict last; otherwise "
        "the verdict alone. A video without a face, or one that cannot be read, has a verdict too. If the call fails "
        "after the first line, the last line is `failure`. A caller who hangs up stops the work.",
        answer="Verdict",
        lines="AnalyzeEvent",
        takes_video=True,
        query=_VIDEO_QUERY,
    ),
    Route(
        "POST",
        "/v1/jobs",
        "submit_job",
        "Hands in a video to be judged later.",
        f"{_BODY} The answer comes when the file is there whole.",
        answer="Job",
        takes_video=True,
        query=(*_VIDEO_QUERY, "timeToLive"),
        headers=(IDEMPOTENCY_KEY,),
    ),
    Route(
        "GET",
        "/v1/jobs/{jobId}",
        "get_job",
        "Says how a job stands.",
        "A job that has failed is an answer, not an error: its `failure` says why.",
        answer="Job",
    ),
    Route(
        "GET",
        "/v1/jobs/{jobId}:wait",
        "wait_job",
        "Waits until a job has ended.",
        f"With `Accept: {LINES_TYPE}` the job comes each time it changes; otherwise once, when it has ended.",
        answer="Job",
        lines="Job",
    ),
    Route(
        "POST",
        "/v1/jobs/{jobId}:cancel",
        "cancel_job",
        "Stops a job.",
        "What is known of it stays until it expires.",
        answer="Job",
    ),
    Route(
        "GET",
        "/v1/health",
        "get_health",
        "Says whether videos can be judged now.",
        "A gateway whose model does not answer is NOT_SERVING, with status 503.",
        answer="Health",
    ),
    Route(
        "GET",
        "/v1/limits",
        "get_limits",
        "Says what a video may be.",
        "What goes beyond is refused, or has a verdict that says so.",
        answer="Limits",
    ),
    Route(
        "GET",
        "/v1/model-card",
        "get_model_card",
        "Says what the model learned from, how right it is, and what it is not good for.",
        "Whoever runs the gateway has given it the card; it names the version that it is about.",
        answer="ModelCard",
    ),
)
