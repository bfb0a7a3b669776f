"""The documents: the tree is the real one, commands and links exist, the Python in them runs as far as it can."""

import ast
import importlib
import re
import shlex
import subprocess
import sys

import pytest

from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import SPLITS
from deepfake_tf.splits import assign_groups, assign_splits
from deepfake_tf.synthetic import SetSettings, _plan
from tests import readme_tree

ROOT = readme_tree.ROOT
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", text_of(name), re.DOTALL)


def commands():
    """Every `python -m` and `make` line of the documents, as words."""
    scripts = [block.replace("\\\n", " ") for name in DOCUMENTS for block in blocks(name, "bash")]
    lines = [line for script in scripts for line in script.splitlines()]
    inline = [one for name in DOCUMENTS for one in re.findall(r"`((?:python -m|make) [^`]+)`", text_of(name))]
    return sorted({line.split("#")[0].strip() for line in lines + inline} - {""})


def test_the_tree_is_the_real_one():
    assert readme_tree.BEGIN + readme_tree.tree() + readme_tree.END in text_of("README.md"), (
        "the README's tree is out of date: python -m tests.readme_tree --write"
    )


def test_every_file_of_the_tree_says_what_it_is():
    unnamed = [one for one in readme_tree.tree().splitlines() if one.rstrip() == one.split()[0] and "." in one]
    assert unnamed == []


@pytest.mark.parametrize("command", [one for one in commands() if one.startswith("python -m")])
def test_a_command_knows_its_flags(command):
    words = shlex.split(command)[2:]
    path = ROOT / (words[0].replace(".", "/") + ".py")
    assert path.is_file(), f"there is no {words[0]}"
    flags = {word for word in words if word.startswith("--")}
    if not flags or words[0].startswith("tests."):
        return
    # A layout's flags are in the help of the layout.
    layout = [words[1].replace("NAME", "folder")] if words[0] == "pipelines.manifest" else []
    done = subprocess.run(
        [sys.executable, "-m", words[0], *layout, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert flags <= set(re.findall(r"--[a-z0-9-]+", done.stdout))


@pytest.mark.parametrize("target", [one.split()[1] for one in commands() if one.startswith("make ")])
def test_make_knows_its_targets(target):
    assert re.search(rf"^{target}:", text_of("Makefile"), re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)]+)\)", text_of(name)):
        assert link.startswith("https://") or (ROOT / link).exists(), link


@pytest.mark.parametrize("block", blocks("README.md", "python"))
def test_python_in_the_readme_imports_what_exists(block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", re.findall(r"`((?:deepfake_tf|tests|docker|demo)/[\w./-]+)`", text_of("README.md")))
def test_files_named_in_the_readme_exist(path):
    name = path.replace("NAME", "__init__")
    assert path.startswith("demo/") or (ROOT / name).exists()


def test_the_split_that_the_readme_shows_is_the_demos():
    entries = [
        VideoEntry(
            video_id=f"synthetic/{video.relative_path}",
            path=video.relative_path,
            label=int(bool(video.method)),
            dataset="synthetic",
            identities=(f"g{video.group:03d}",),
        )
        for video in _plan(SetSettings(num_real=96, num_fake=96, seed=0))
    ]
    entries = assign_splits(assign_groups(entries), shares=(0.55, 0.15, 0.30))
    for split in SPLITS:
        own = [entry for entry in entries if entry.split == split]
        counts = [sum(entry.label == label for entry in own) for label in (0, 1)]
        row = f"│ {split:<5} │ {counts[0]:>4} │ {counts[1]:>4} │ {0:>10} │ {len({one.group for one in own}):>6} │"
        assert row in text_of("README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_figure_of_a_measurement_is_typed_by_hand(name):
    prose = re.sub(r"```.*?```", "", text_of(name), flags=re.DOTALL)
    assert not re.search(r"\b0\.[5-9]\d+\b|\d\s?%|\bAUC of \d", prose)
