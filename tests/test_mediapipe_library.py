"""What MediaPipe's import brings along, and that nothing else misses what it left out."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from deepfake_tf.faces import BlazeFace

BlazeFace(longer_side_px=512, min_confidence=0.5)
print({"tensorflow", "matplotlib", "matplotlib.pyplot"} & set(sys.modules))

from mediapipe.tasks.python.vision import drawing_utils

assert drawing_utils.plt.__name__ == "matplotlib.pyplot"
assert "matplotlib.figure" not in sys.modules
figure = drawing_utils.plt.figure
import matplotlib.pyplot as pyplot
print(figure is pyplot.figure, pyplot.__file__.endswith("pyplot.py"), drawing_utils.plt.figure is pyplot.figure)
"""


def test_neither_tensorflow_nor_matplotlib_is_loaded_and_nothing_is_printed_until_somebody_draws():
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", CODE], cwd=root, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\nTrue True True\n", "")
