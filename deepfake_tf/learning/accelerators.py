"""GPUs of this machine: memory is taken as it is needed, and one training at a time has a GPU."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_LOCK_FOLDER = Path(tempfile.gettempdir())


def grow_memory() -> None:
    """Lets TensorFlow take GPU memory as it needs it, not all of it at once.

    Without effect where there is no GPU, or where TensorFlow uses it already.
    """
    import tensorflow as tf

    for device in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)


def visible_gpus() -> list[str]:
    """Returns what tells the GPUs that this process sees from the others of this machine."""
    import tensorflow as tf

    count = len(tf.config.list_physical_devices("GPU"))
    named = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    return named[:count] if len(named) >= count else [str(number) for number in range(count)]


@contextlib.contextmanager
def one_at_a_time(gpus: Sequence[str], folder: Path = _LOCK_FOLDER) -> Iterator[None]:
    """Waits until no other process of this machine holds one of the GPUs in this way, and holds them meanwhile.

    Args:
        gpus: what `visible_gpus` returns; a process with none waits for nobody.
        folder: for the locks, one for all processes of the machine.
    """
    with contextlib.ExitStack() as held:
        # In one order everywhere: two that want two GPUs would otherwise wait for each other.
        for name in sorted(gpus):
            file = held.enter_context((folder / f"deepfake-tf-gpu-{name}.lock").open("a"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
