import gc

import numpy as np

from deepfake_tf.batching.batch_buffers import BatchBuffers


def test_memory_is_used_again_only_when_nobody_holds_it():
    buffers = BatchBuffers()
    first = buffers.take((4, 5))
    first[:] = 7
    part = first[1:3]
    address = first.ctypes.data
    del first
    gc.collect()
    # A part of it is still in use.
    other = buffers.take((4, 5))
    assert other.ctypes.data != address
    other[:] = 1
    assert (part == 7).all()
    del part
    gc.collect()
    assert buffers.take((2, 10)).ctypes.data == address


def test_arrays_begin_where_tensorflow_takes_them_as_they_are():
    buffers = BatchBuffers()
    arrays = [buffers.take((number, 3, 7)) for number in range(1, 20)]
    assert all(one.ctypes.data % 64 == 0 for one in arrays)
    assert all(one.dtype == np.uint8 and one.flags.c_contiguous and one.flags.writeable for one in arrays)


def test_tensors_keep_their_values_while_later_batches_are_made():
    import tensorflow as tf

    buffers = BatchBuffers()

    def make(number):
        array = buffers.take((64, 1024))
        array[:] = int(number)
        return array

    numbers = tf.data.Dataset.range(100)
    batches = numbers.map(lambda one: tf.numpy_function(make, [one], tf.uint8), num_parallel_calls=3).prefetch(4)
    held = []
    for number, batch in enumerate(batches):
        held = [*held[-4:], (number, batch)]
        for expected, one in held:
            assert (one.numpy() == expected).all()
    assert sum(len(free) for free in buffers._free.values()) < 20
