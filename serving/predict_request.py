"""A Predict request as TensorFlow Serving 2.20 takes it: what it must hold, and the codes and words of a refusal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

if TYPE_CHECKING:
    from deepfake_tf.predictors.saved_model import SavedModel


class RefusedError(Exception):
    """A request that is answered with a gRPC status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def run(model: "SavedModel", key: str, inputs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Runs a signature; returns its outputs by name."""
    try:
        return model.run(key, inputs, names)
    except (ValueError, TypeError) as error:
        # Raised where the array cannot become a tensor at all.
        return invalid(str(error))


def parse_inputs(tensors: Mapping[str, Any], signature: Any) -> dict[str, Any]:
    """Returns the arrays of a request, in the names of a signature.

    Raises:
        RefusedError: they are not what the signature takes.
    """
    import tensorflow as tf

    sent, wanted = set(tensors), set(signature.inputs)
    if len(sent) != len(wanted):
        invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({_braced(sent)}) != "
            f"len({_braced(wanted)}). Sent extra: {_braced(sent - wanted)}. "
            f"Missing but required: {_braced(wanted - sent)}."
        )
    parsed = {}
    for alias in sorted(wanted):
        if alias not in tensors:
            feed = signature.inputs[alias].name
            invalid(
                f"Signature input alias: {alias}(feed name: {feed}) not found in request and no default value provided"
            )
        try:
            if any(dim.size < 0 for dim in tensors[alias].tensor_shape.dim):
                raise ValueError("negative dimension")
            parsed[alias] = tf.make_ndarray(tensors[alias])
        except (ValueError, TypeError, KeyError, IndexError):
            invalid(f"tensor parsing error: {alias}")
    return parsed


def check_outputs(wanted: Sequence[str], signature: Any) -> list[str]:
    """Returns the outputs to answer with: those asked for, or all.

    Raises:
        RefusedError: one is unknown or asked for twice.
    """
    seen: set[str] = set()
    for name in wanted:
        if name not in signature.outputs:
            invalid(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}."
            )
        if name in seen:
            invalid(f"duplicate output tensor alias: {name}")
        seen.add(name)
    return list(wanted) or sorted(signature.outputs)


def check_dtypes(inputs: Mapping[str, Any], signature: Any) -> None:
    """Refuses an array of another type than the signature's."""
    import tensorflow as tf

    for number, (alias, value) in enumerate(sorted(inputs.items())):
        wanted = tf.dtypes.as_dtype(signature.inputs[alias].dtype)
        sent = tf.dtypes.as_dtype(value.dtype)
        if sent != wanted:
            invalid(f"Expects arg[{number}] to be {_c_name(wanted)} but {_c_name(sent)} is provided")


def to_typed_tensor(value: Any) -> Any:
    """Returns a TensorProto with its values in the field of their type, as the real server answers by default."""
    import tensorflow as tf

    tensor = tf.make_tensor_proto(value)
    fields = {"float32": "float_val", "float64": "double_val", "int32": "int_val", "int64": "int64_val"}
    if tensor.tensor_content and str(value.dtype) in fields:
        tensor.ClearField("tensor_content")
        getattr(tensor, fields[str(value.dtype)]).extend(value.ravel().tolist())
    return tensor


def _braced(names: Any) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def invalid(message: str) -> NoReturn:
    """Refuses a request as INVALID_ARGUMENT."""
    raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)


def _c_name(dtype: Any) -> str:
    """Returns a dtype's name as TensorFlow's C++ writes it."""
    return {"float32": "float", "float64": "double"}.get(dtype.name, str(dtype.name))
