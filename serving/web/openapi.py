"""Writes openapi.json, which describes the REST service: routes from routes.py, schemas from the .proto file.

python -m serving.web.openapi

It runs where grpcio-tools is installed, with `make protos`; what serves the file does not need it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet

import deepfake_tf
from deepfake_tf.atomic import write_whole
from serving.web.app import DESCRIPTION_PATH
from serving.web.routes import IDEMPOTENCY_KEY, JSON_TYPE, LINES_TYPE, ROUTES, VIDEO_TYPES, Route

PROTO_PATH = "serving/protos/deepfake/v1/detection.proto"
_PACKAGE = ".deepfake.v1."
_ABOUT = (
    "Videos go in, verdicts come out. JSON is the canonical JSON of the messages of package deepfake.v1: fields in "
    "camelCase, 64-bit numbers as text, what is not set is left out. Every error is a `Failure`."
)
_FAILURE = "Failure"
_OWN_SCHEMAS: dict[str, Any] = {
    "Health": {
        "description": "Whether videos can be judged now.",
        "type": "object",
        "properties": {"status": {"type": "string", "enum": ["UNKNOWN", "SERVING", "NOT_SERVING"]}},
    },
    "Limits": {
        "description": "What a video may be.",
        "type": "object",
        "properties": {
            "maxBytes": {"type": "integer", "description": "Length of the file."},
            "maxDurationSec": {"type": "number", "description": "Length of the video."},
            "maxPixels": {"type": "integer", "description": "Width times height of a frame."},
            "maxFaces": {"type": "integer", "description": "Faces that are followed through the video."},
        },
    },
    "ModelCard": {
        "description": "What the model is, and is not, good for.",
        "type": "object",
        "properties": {"markdown": {"type": "string", "description": "The card; empty if there is none."}},
    },
}
_WELL_KNOWN: dict[str, Any] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
}
_Type = FieldDescriptorProto.Type
_SCALARS: dict[int, dict[str, Any]] = {
    _Type.TYPE_DOUBLE: {"type": "number"},
    _Type.TYPE_INT32: {"type": "integer"},
    _Type.TYPE_INT64: {"type": "string", "pattern": "^-?[0-9]+$"},
    _Type.TYPE_STRING: {"type": "string"},
    _Type.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}


def describe() -> dict[str, Any]:
    """Returns the OpenAPI 3.1 description."""
    schemas = dict(_Schemas())
    named = {name: schema for name, schema in schemas.items() if name in _reachable(schemas)}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "deepfake-tf gateway", "version": deepfake_tf.__version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {**_OWN_SCHEMAS, **named},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # A gateway may be set up without tokens.
        "security": [{}, {"token": []}],
    }


class _Schemas:
    """The JSON Schemas of the messages of the .proto file, with its comments."""

    def __init__(self) -> None:
        (self._file,) = _compiled().file
        self._comments = {
            tuple(one.path): " ".join(one.leading_comments.split()) for one in self._file.source_code_info.location
        }
        self._enums = {name: self._enum(enum, path) for name, enum, path in self._all_enums()}

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, message in enumerate(self._file.message_type):
            yield message.name, self._message(message, (4, number))

    def _all_enums(self) -> Iterator[tuple[str, EnumDescriptorProto, tuple[int, ...]]]:
        for number, message in enumerate(self._file.message_type):
            for inner, enum in enumerate(message.enum_type):
                yield f"{_PACKAGE}{message.name}.{enum.name}", enum, (4, number, 4, inner)

    def _enum(self, enum: EnumDescriptorProto, path: tuple[int, ...]) -> dict[str, Any]:
        # The zero value says that there is none, and is never written.
        names = {number: one.name for number, one in enumerate(enum.value) if one.number}
        about = {name: self._comments.get((*path, 2, number), "") for number, name in names.items()}
        text = " ".join(f"{name}: {comment}" for name, comment in about.items() if comment)
        return {"type": "string", "enum": list(names.values()), **({"description": text} if text else {})}

    def _message(self, message: DescriptorProto, path: tuple[int, ...]) -> dict[str, Any]:
        entries = {f"{_PACKAGE}{message.name}.{one.name}": one for one in message.nested_type if one.options.map_entry}
        properties = {
            field.json_name: self._described(self._field(field, entries), (*path, 2, number))
            for number, field in enumerate(message.field)
        }
        return self._described({"type": "object", "properties": properties}, path)

    def _field(self, field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> dict[str, Any]:
        if field.type_name in entries:
            return {"type": "object", "additionalProperties": self._single(entries[field.type_name].field[1])}
        single = self._single(field)
        return {"type": "array", "items": single} if field.label == FieldDescriptorProto.LABEL_REPEATED else single

    def _single(self, field: FieldDescriptorProto) -> dict[str, Any]:
        if field.type_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[field.type_name])
        if field.type == _Type.TYPE_MESSAGE:
            return {"$ref": _ref(field.type_name.removeprefix(_PACKAGE))}
        if field.type == _Type.TYPE_ENUM:
            return dict(self._enums[field.type_name])
        return dict(_SCALARS[field.type])

    def _described(self, schema: dict[str, Any], path: tuple[int, ...]) -> dict[str, Any]:
        comment = self._comments.get(path)
        return {**schema, "description": comment} if comment else schema


def _compiled() -> FileDescriptorSet:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        # Paths are relative to the root of the repository, as in the Makefile. A process of its own: the compiler has
        # been seen to crash in one that runs for long.
        flags = ["-I.", "--include_source_info", f"--descriptor_set_out={out}", PROTO_PATH]
        done = subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *flags], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(
                f"{PROTO_PATH} could not be compiled; run this in the root of the repository. {done.stderr}"
            )
        return FileDescriptorSet.FromString(out.read_bytes())


def _reachable(schemas: dict[str, Any]) -> set[str]:
    """Returns the messages that an answer can hold."""
    found: set[str] = set()
    left = {_FAILURE, *(name for route in ROUTES for name in (route.answer, route.lines) if name in schemas)}
    while left:
        name = left.pop()
        found.add(name)
        text = json.dumps(schemas[name])
        left |= {other for other in schemas if f'"{_ref(other)}"' in text} - found
    return found


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    answer = {JSON_TYPE: {"schema": {"$ref": _ref(route.answer)}}}
    if route.lines:
        answer[LINES_TYPE] = {"schema": _line(route.lines)}
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "description": route.about,
        "parameters": _parameters(route, schemas),
        "responses": {"200": {"description": "Done.", "content": answer}, "default": _failure()},
    }
    if route.operation == "get_health":
        operation["responses"]["503"] = {"description": "Videos cannot be judged now.", "content": answer}
    if route.takes_video:
        operation["requestBody"] = {"required": True, "content": {kind: {} for kind in VIDEO_TYPES}}
    return operation


def _line(message: str) -> dict[str, Any]:
    failure = {"type": "object", "properties": {"failure": {"$ref": _ref(_FAILURE)}}, "required": ["failure"]}
    return {"description": "One line.", "anyOf": [{"$ref": _ref(message)}, failure]}


def _failure() -> dict[str, Any]:
    wait = {"description": "Seconds after which to try again, where that is known.", "schema": {"type": "integer"}}
    return {
        "description": "There is no answer; `code` is a gRPC status, and the HTTP status follows from it.",
        "headers": {"Retry-After": wait},
        "content": {JSON_TYPE: {"schema": {"$ref": _ref(_FAILURE)}}},
    }


def _parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    fields = {**schemas["AnalyzeOptions"]["properties"], **schemas["JobOptions"]["properties"]}
    found = []
    if "{jobId}" in route.path:
        found.append({"name": "jobId", "in": "path", "required": True, "schema": {"type": "string"}})
    for place, names in (("query", route.query), ("header", route.headers)):
        for name in names:
            schema = dict(fields["idempotencyKey" if name == IDEMPOTENCY_KEY else name])
            found.append({"name": name, "in": place, "description": schema.pop("description"), "schema": schema})
    return found


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"


def to_text() -> str:
    """Returns what openapi.json holds."""
    return json.dumps(describe(), indent=1) + "\n"


def main() -> int:
    """Writes the file."""
    write_whole(DESCRIPTION_PATH, to_text().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
