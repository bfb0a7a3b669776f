"""Every layout is tested by being there, on the tiny data set that it offers."""

import inspect
import shutil

import pytest

from deepfake_tf import command, layouts, plugins
from deepfake_tf.errors import DeepfakeError
from deepfake_tf.manifest import COLUMNS


@pytest.fixture(params=plugins.names("layouts"))
def layout(request):
    return layouts.load_layout(request.param)


@pytest.fixture
def root(layout, tmp_path):
    for name, text in layout.EXAMPLE.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / layout.EXAMPLE.root


def test_finds_both_labels_and_files_that_are_there(layout, root):
    entries = layout.find_videos(root, **layout.EXAMPLE.options)
    assert {entry.label for entry in entries} >= {0, 1}
    assert all(entry.path.is_absolute() and entry.path.exists() for entry in entries)


def test_video_ids_are_unique_and_do_not_depend_on_where_the_root_is(layout, root, tmp_path, tmp_path_factory):
    before = [entry.video_id for entry in layout.find_videos(root, **layout.EXAMPLE.options)]
    assert len(set(before)) == len(before)
    moved = tmp_path_factory.mktemp("moved") / "here"
    shutil.copytree(tmp_path, moved)
    after = layout.find_videos(moved / layout.EXAMPLE.root, **layout.EXAMPLE.options)
    assert [entry.video_id for entry in after] == before


def test_real_videos_have_no_method_and_fakes_have_an_identity(layout, root):
    for entry in layout.find_videos(root, **layout.EXAMPLE.options):
        assert entry.label == 1 or not entry.method
        assert entry.identities or entry.original_id


def test_group_is_left_to_the_splits(layout, root):
    assert {entry.group for entry in layout.find_videos(root, **layout.EXAMPLE.options)} == {""}


def test_flags_are_the_options(layout, root):
    parser = command.Parser("x")
    layout.add_flags(parser)
    options = vars(parser.parse_args([]))
    assert all(action.help for action in parser._actions)
    layout.find_videos(root, **(options | dict(layout.EXAMPLE.options)))
    parameters = inspect.signature(layout.find_videos).parameters.values()
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        assert set(options) == {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}


def test_empty_root_is_one_clear_error(layout, tmp_path):
    with pytest.raises(DeepfakeError) as caught:
        layout.find_videos(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in str(caught.value)


def test_a_manifest_can_be_made_of_it(layout, root, tmp_path):
    name = layout.__name__.rpartition(".")[2]
    settings = layouts.ManifestSettings("set")
    out = tmp_path / "out" / "manifest.csv"
    entries = layouts.make_manifest(name, root, out, settings=settings, options=layout.EXAMPLE.options)
    assert all(entry.video_id.startswith("set/") and len(entry.sha256) == 64 and entry.group for entry in entries)
    assert out.read_text().splitlines()[0].split(",")[: len(COLUMNS)] == list(COLUMNS)
