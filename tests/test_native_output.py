import subprocess
import sys

import pytest

from deepfake_tf import native_output


def test_what_native_code_writes_is_silenced_and_what_comes_after_is_not(capfd):
    program = f"{sys.executable} -c 'import sys; sys.stderr.write(\"words\")'"
    with native_output.silenced():
        subprocess.run(program, shell=True, check=True)
    assert capfd.readouterr().err == ""
    subprocess.run(program, shell=True, check=True)
    assert capfd.readouterr().err == "words"


def test_stderr_is_back_after_an_exception(capfd):
    with pytest.raises(ValueError, match="passes"), native_output.silenced():
        raise ValueError("passes")
    sys.stderr.write("words")
    assert "words" in capfd.readouterr().err


@pytest.mark.slow
def test_tensorflow_loads_without_a_word():
    code = "from deepfake_tf.native_output import load_tensorflow; load_tensorflow(); import tensorflow"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
