"""Our messages against TensorFlow's own: same numbers, same types, same bytes."""

import pytest

from deepfake_tf.protos import wire_pb2

# Ours by their package; and what differs on purpose: an enum as its number, a field of a oneof alone.
PACKAGES = {
    "tensorflow": (
        "BytesList FloatList Int64List Feature Features FeatureList FeatureLists SequenceExample TensorShapeProto "
        "TensorProto TensorInfo SignatureDef"
    ).split(),
    "tensorflow.serving": (
        "ModelSpec PredictRequest PredictResponse SignatureDefMap GetModelMetadataRequest GetModelMetadataResponse "
        "GetModelStatusRequest GetModelStatusResponse ModelVersionStatus StatusProto"
    ).split(),
}
OURS_BY_NAME = wire_pb2.DESCRIPTOR.message_types_by_name
ENUM_AS_NUMBER = {"StatusProto.error_code"}
ALONE = {"TensorInfo.name"}


@pytest.fixture(scope="module")
def theirs():
    """TensorFlow's descriptors by our names."""
    from google.protobuf import descriptor_pool
    from tensorflow_serving.apis import (  # noqa: F401 - fill the pool
        get_model_metadata_pb2,
        get_model_status_pb2,
        predict_pb2,
    )

    pool = descriptor_pool.Default()
    return {
        name: pool.FindMessageTypeByName(f"{package}.{name}") for package, names in PACKAGES.items() for name in names
    }


def fields_of(message, prefix):
    """What the wire knows of a message's fields, those of nested messages included."""
    found = {}
    for field in message.fields:
        name = f"{prefix}.{field.name}"
        kind = field.message_type or field.enum_type
        oneof = field.containing_oneof.name if field.containing_oneof else ""
        found[name] = (field.number, field.type, field.is_repeated, field.is_packed, kind.name if kind else "", oneof)
    for nested in message.nested_types:
        found |= fields_of(nested, f"{prefix}.{nested.name}")
    return found


@pytest.mark.slow
def test_every_field_has_tensorflows_number_and_type(theirs):
    from google.protobuf.descriptor import FieldDescriptor

    assert sorted(theirs) == sorted(OURS_BY_NAME)
    for name, ours in OURS_BY_NAME.items():
        expected = fields_of(theirs[name], name)
        for field, what in fields_of(ours, name).items():
            if field in ENUM_AS_NUMBER:
                assert expected[field][:2] == (what[0], FieldDescriptor.TYPE_ENUM)
            elif field in ALONE:
                assert expected[field][:-1] == what[:-1]
            else:
                assert expected[field] == what, field


@pytest.mark.slow
def test_every_enum_value_has_tensorflows_number(theirs):
    for ours, message, field in (
        (wire_pb2.DataType.DESCRIPTOR, "TensorProto", "dtype"),
        (wire_pb2.ModelVersionStatus.State.DESCRIPTOR, "ModelVersionStatus", "state"),
    ):
        numbers = {value.name: value.number for value in theirs[message].fields_by_name[field].enum_type.values}
        assert {value.name: value.number for value in ours.values}.items() <= numbers.items()


def a_sequence_example():
    example = wire_pb2.SequenceExample()
    example.context.feature["name"].bytes_list.value.append(b"x")
    example.context.feature["number"].int64_list.value.extend([-1, 2**40])
    example.feature_lists.feature_list["box"].feature.add().float_list.value.extend([0.5, -2.0])
    return example


def a_predict_request():
    request = wire_pb2.PredictRequest()
    request.model_spec.name = "detector"
    request.model_spec.version.value = 3
    request.model_spec.signature_name = "serving_default"
    request.inputs["clips"].dtype = wire_pb2.DT_STRING
    request.inputs["clips"].string_val.extend([b"a", b"b"])
    request.inputs["clips"].tensor_shape.dim.add(size=1)
    request.inputs["mask"].dtype = wire_pb2.DT_BOOL
    request.inputs["mask"].bool_val.extend([True, False])
    return request


@pytest.mark.slow
@pytest.mark.parametrize("make", [a_sequence_example, a_predict_request])
def test_bytes_are_theirs_both_ways(make, theirs):
    from google.protobuf import message_factory

    ours = make()
    other = message_factory.GetMessageClass(theirs[ours.DESCRIPTOR.name]).FromString(ours.SerializeToString())
    assert str(other) == str(ours)
    assert other.SerializeToString(deterministic=True) == ours.SerializeToString(deterministic=True)
    assert type(ours).FromString(other.SerializeToString()) == ours


@pytest.mark.slow
def test_tensors_are_numpys_both_ways(theirs):
    import numpy as np
    import tensorflow as tf

    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    ours = wire_pb2.TensorProto.FromString(tf.make_tensor_proto(values).SerializeToString())
    assert (ours.dtype, [dim.size for dim in ours.tensor_shape.dim]) == (wire_pb2.DT_FLOAT, [2, 3])
    np.testing.assert_array_equal(np.frombuffer(ours.tensor_content, "<f4").reshape(2, 3), values)
