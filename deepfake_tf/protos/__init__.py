"""Protocol buffer messages that the library writes and reads without TensorFlow."""
