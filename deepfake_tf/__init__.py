"""Tell real face videos from deepfakes: from video file to calibrated verdict.

Importing this package does no work; import the module you need, for example
`from deepfake_tf.detector import Detector`.
"""

__version__ = "0.1.0"
