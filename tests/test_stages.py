"""Headings, progress and times of several stages."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from deepfake_tf import stages


@pytest.fixture
def screen():
    console = Console(file=io.StringIO(), width=100)
    return stages.Stages(console), console.file


def test_a_stage_has_a_number_a_heading_and_its_time(screen):
    shown, printed = screen
    for name in ("First", "Second"):
        with shown.stage(name, "about") as tell:
            tell(1, 2, "half")
            shown.say("found")
    lines = printed.getvalue().splitlines()
    assert [lines[0], lines[1], lines[3], lines[4]] == ["1. First: about", "   found", "2. Second: about", "   found"]
    assert lines[2] == f"   {shown.times_sec['First']:.1f} s"
    assert list(shown.times_sec) == ["First", "Second"]


def test_news_are_lines_where_there_is_no_terminal_but_not_too_many(screen, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(stages.time, "monotonic", lambda: now[0])
    shown, printed = screen
    with shown.stage("First", "about") as tell:
        for step in range(40):
            now[0] += 1.0
            tell(step, 40, "news")
    assert [line for line in printed.getvalue().splitlines() if "news" in line] == [
        "   15 of 40  news",
        "   31 of 40  news",
    ]


def test_a_stage_that_fails_has_no_time(screen):
    shown, _ = screen
    with pytest.raises(ValueError, match="no"), shown.stage("First", "about"):
        raise ValueError("no")
    assert shown.times_sec == {}


def test_what_libraries_write_goes_to_the_log(tmp_path):
    code = f"""
import os
from pathlib import Path
from deepfake_tf.stages import log_of_libraries
with log_of_libraries(Path({str(tmp_path / "logs" / "log")!r})) as screen:
    os.write(2, b"from C++")
    screen.write("heading")
os.write(2, b" after")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "heading after"
    assert (tmp_path / "logs" / "log").read_text() == "from C++"
