"""MediaPipe without what it loads for parts that are not used here: TensorFlow, and matplotlib until it draws.

A process that looks for faces is ready in half the time without matplotlib, and in a tenth without TensorFlow.
"""

import importlib
import os
import sys
import threading
from types import ModuleType
from typing import Any

_lock = threading.Lock()


class _LoadedWhenUsed(ModuleType):
    """Stands in for a module, and fetches it once something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        module = importlib.import_module(self.__name__)
        if module is self:
            raise AttributeError(f"{self.__name__} is not loaded yet, so {name} is not known.")
        return getattr(module, name)


def load() -> ModuleType:
    """Imports MediaPipe."""
    with _lock:
        if "mediapipe" not in sys.modules:
            os.environ.setdefault("GLOG_minloglevel", "3")
            later = {name: _LoadedWhenUsed(name) for name in ("matplotlib", "matplotlib.pyplot")}
            _import_without({"tensorflow": None, **later})
        import mediapipe

        return mediapipe


def _import_without(stand_ins: dict[str, ModuleType | None]) -> None:
    """Imports MediaPipe with others in the place of modules that are not loaded yet; None is not to be had."""
    placed = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]
    try:
        import mediapipe  # noqa: F401
    finally:
        for name in placed:
            del sys.modules[name]
