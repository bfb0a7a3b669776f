"""Events as TensorBoard reads them: TFRecords of its own messages."""

import tensorflow as tf

from deepfake_tf.learning.tensorboard import EventFile


def test_numbers_come_back_by_their_tags_and_steps(tmp_path):
    with EventFile(tmp_path) as events:
        events.write({"epoch/loss": 0.5, "epoch/val_auc": 0.75}, 1)
        events.write({"epoch/loss": 0.25}, 2)
        events.flush()
    (path,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    found = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found.append((value.tag, event.step, tf.make_ndarray(value.tensor).item()))
    assert sorted(found) == [("epoch/loss", 1, 0.5), ("epoch/loss", 2, 0.25), ("epoch/val_auc", 1, 0.75)]
