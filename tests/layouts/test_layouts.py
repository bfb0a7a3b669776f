import hashlib
from pathlib import Path

import pytest

from deepfake_tf import layouts, manifest
from deepfake_tf.errors import ConfigError, DataError, LeakError

SETTINGS = layouts.ManifestSettings("set")


@pytest.fixture
def root(tmp_path):
    for name in ("real/000.mp4", "real/003.mp4", "real/005.mp4", "fake/swap/000_003.mp4", "fake/swap/005_010.mp4"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "set"


def make(root, out_dir, layout="folder", settings=SETTINGS, **options):
    return layouts.make_manifest(layout, root, out_dir / "manifest.csv", settings=settings, options=options)


def test_entries_are_hashed_grouped_split_and_written(root, tmp_path):
    told = []
    entries = layouts.make_manifest(
        "folder",
        root,
        tmp_path / "manifest.csv",
        settings=SETTINGS,
        options={"group_regex": r"(\d{3})(?:_(\d{3}))?"},
        on_progress=lambda *at: told.append(at),
    )
    assert entries == manifest.read_manifest(tmp_path / "manifest.csv")
    by_id = {entry.video_id: entry for entry in entries}
    fake = by_id["set/fake/swap/000_003.mp4"]
    assert fake.sha256 == hashlib.sha256(b"fake/swap/000_003.mp4").hexdigest()
    assert (fake.dataset, fake.method, fake.label, fake.identities) == ("set", "swap", 1, ("000", "003"))
    assert {by_id[f"set/real/{name}.mp4"].group for name in ("000", "003")} == {fake.group}
    assert told == [(n, 5) for n in range(1, 6)]


def test_equal_files_stay_in_one_group(root, tmp_path):
    (root / "real" / "copy.mp4").write_text("real/005.mp4")
    entries = {entry.video_id: entry for entry in make(root, tmp_path)}
    assert entries["set/real/copy.mp4"].group == entries["set/real/005.mp4"].group
    assert entries["set/real/003.mp4"].group != entries["set/real/005.mp4"].group


def test_same_manifest_again_is_kept_and_another_is_not_overwritten(root, tmp_path):
    make(root, tmp_path)
    before = (tmp_path / "manifest.csv").stat().st_mtime_ns
    make(root, tmp_path)
    assert (tmp_path / "manifest.csv").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="holds another manifest.*Name another, or delete it"):
        make(root, tmp_path, settings=layouts.ManifestSettings("set", seed=5, shares=(0, 0, 1)))


def test_one_class_is_refused_unless_asked_for(root, tmp_path):
    for path in (root / "fake").rglob("*.mp4"):
        path.unlink()
    with pytest.raises(DataError, match="Every labelled video of .* is real; .*--allow-one-class"):
        make(root, tmp_path)
    assert len(make(root, tmp_path, settings=layouts.ManifestSettings("set", allow_one_class=True))) == 3


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_missing_files_are_counted(tmp_path):
    with pytest.raises(DataError, match="2 of 2 files are not there, the first is .*a.mp4"):
        make(table(tmp_path, "path,label\na.mp4,real\nb.mp4,fake\n"), tmp_path, "csv")


def test_root_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="There is no .*nowhere"):
        make(tmp_path / "nowhere", tmp_path)


def official(root, split):
    rows = f"set/real/000.mp4,real,000,train\nset/fake/swap/000_003.mp4,fake,000;003,{split}\n"
    return table(root.parent, "path,label,identities,split\n" + rows)


def test_official_splits_are_kept(root, tmp_path):
    entries = make(official(root, "train"), tmp_path, "csv")
    assert [entry.split for entry in entries] == ["train", "train"]


def test_official_leak_needs_to_be_accepted(root, tmp_path):
    path = official(root, "test")
    with pytest.raises(
        LeakError, match=r"real/000.mp4 \(train\) - identity '000' - .*\(test\).*--accept-official-leak"
    ):
        make(path, tmp_path, "csv")
    entries = make(path, tmp_path, "csv", layouts.ManifestSettings("set", accept_official_leak=True))
    assert [entry.split for entry in entries] == ["test", "train"]


def test_official_splits_can_be_left_aside(root, tmp_path):
    entries = make(official(root, "test"), tmp_path, "csv", layouts.ManifestSettings("set", split_by="group"))
    assert len({entry.split for entry in entries}) == 1
    # They are still told.
    assert [entry.attributes["official_split"] for entry in entries] == ["test", "train"]


def test_added_manifests_share_groups_and_keep_official_splits(root, tmp_path):
    (tmp_path / "one").mkdir()
    make(official(root, "test"), tmp_path / "one", "csv", layouts.ManifestSettings("one", accept_official_leak=True))
    other = tmp_path / "other"
    for name in ("real/000.mp4", "real/new.mp4"):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(name)
    settings = layouts.ManifestSettings(
        "two", add=(tmp_path / "one" / "manifest.csv",), accept_official_leak=True, shares=(0, 1, 0)
    )
    entries = {entry.video_id: entry for entry in make(other, tmp_path, settings=settings)}
    assert {name: entry.split for name, entry in entries.items()} == {
        "one/set/fake/swap/000_003.mp4": "test",
        "one/set/real/000.mp4": "train",
        # The same content as a video of a group that is in two splits.
        "two/real/000.mp4": "",
        "two/real/new.mp4": "val",
    }
    assert entries["two/real/000.mp4"].group == entries["one/set/real/000.mp4"].group
    assert entries["one/set/real/000.mp4"].path == root / "real" / "000.mp4"


def test_added_manifest_may_bring_the_other_class(root, tmp_path):
    make(root, tmp_path)
    (tmp_path / "fakes" / "fake").mkdir(parents=True)
    (tmp_path / "fakes" / "fake" / "x.mp4").write_text("x")
    settings = layouts.ManifestSettings("fakes", add=(tmp_path / "manifest.csv",))
    assert len(layouts.make_manifest("folder", tmp_path / "fakes", tmp_path / "both.csv", settings=settings)) == 6


def test_missing_files_can_be_left_out(root, tmp_path):
    path = table(tmp_path, "path,label\nset/real/000.mp4,real\nset/fake/swap/000_003.mp4,fake\nnowhere.mp4,fake\n")
    with pytest.raises(DataError, match="1 of 3 files .*nowhere.mp4. Say --skip-missing"):
        make(path, tmp_path, "csv")
    assert len(make(path, tmp_path, "csv", layouts.ManifestSettings("set", skip_missing=True))) == 2


def test_attributes_from_a_table(root, tmp_path):
    facts = table(tmp_path, "path,context\nreal/000.mp4,political\nfake/swap/000_003.mp4,entertainment\n")
    entries = {
        entry.video_id: entry
        for entry in make(root, tmp_path, settings=layouts.ManifestSettings("s", attributes=facts))
    }
    assert {name: dict(entry.attributes) for name, entry in entries.items()} == {
        "s/real/000.mp4": {"context": "political"},
        "s/real/003.mp4": {"context": ""},
        "s/real/005.mp4": {"context": ""},
        "s/fake/swap/000_003.mp4": {"context": "entertainment"},
        "s/fake/swap/005_010.mp4": {"context": ""},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,context\nreal/00.mp4,x\n", "names 1 videos that .* has not, the first is 'real/00.mp4'"),
        ("video,context\nreal/000.mp4,x\n", "must have a column path"),
        ("path,label\nreal/000.mp4,real\n", "attributes with the name of a column: label"),
    ],
)
def test_wrong_attributes_are_refused(root, tmp_path, text, message):
    settings = layouts.ManifestSettings("set", attributes=table(tmp_path, text))
    with pytest.raises(DataError, match=message):
        make(root, tmp_path, settings=settings)


def test_unknown_source_of_splits_is_refused():
    with pytest.raises(ConfigError, match="split_by must be one of official, group. Received: 'luck'"):
        layouts.ManifestSettings("set", split_by="luck")


# folder --------------------------------------------------------------------------------------------------------------


def find(root, **options):
    return {entry.video_id: entry for entry in layouts.load_layout("folder").find_videos(root, **options)}


def test_folder_reads_labels_methods_and_nothing_else(root):
    for name in ("fake/plain.MOV", "real/.hidden.mp4", "real/notes.txt", "other/x.mp4", "fake/swap/deep/er/y.webm"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    entries = find(root)
    assert {name: (entry.label, entry.method) for name, entry in entries.items()} == {
        "real/000.mp4": (0, ""),
        "real/003.mp4": (0, ""),
        "real/005.mp4": (0, ""),
        "fake/swap/000_003.mp4": (1, "swap"),
        "fake/swap/005_010.mp4": (1, "swap"),
        "fake/swap/deep/er/y.webm": (1, "swap"),
        "fake/plain.MOV": (1, ""),
    }


def test_folder_without_regex_or_table_knows_no_identities(root):
    assert {entry.identities for entry in find(root).values()} == {()}


def test_folder_reads_groups_csv_of_the_root_or_another(root, tmp_path):
    (root / "groups.csv").write_text(
        "path,group\nreal/000.mp4,a\nreal/003.mp4,b\nreal/005.mp4,c\nfake/swap/000_003.mp4,a;b\nfake/swap/005_010.mp4,c\n"
    )
    assert find(root)["fake/swap/000_003.mp4"].identities == ("a", "b")
    (root / "groups.csv").rename(tmp_path / "other.csv")
    assert find(root, groups=tmp_path / "other.csv")["real/005.mp4"].identities == ("c",)


def test_folder_refuses_videos_without_identity(root):
    (root / "groups.csv").write_text("path,group\nreal/000.mp4,a\n")
    with pytest.raises(DataError, match=r"groups.csv gives no identity for 4 of 5 videos, the first is 'real/003.mp4'"):
        find(root)
    with pytest.raises(DataError, match=r"gives no identity for 3 of 5 videos, the first is 'real/000.mp4'"):
        find(root, group_regex=r"(\d{3})_\d{3}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_regex": "("}, "is no regular expression"),
        ({"group_regex": r"\d+"}, "has no parentheses"),
        ({"group_regex": "(a)", "groups": "b.csv"}, "exclude each other"),
    ],
)
def test_folder_refuses_wrong_options(root, options, message):
    with pytest.raises(ConfigError, match=message):
        find(root, **options)


def test_folder_table_without_its_columns(root):
    (root / "groups.csv").write_text("path,person\nreal/000.mp4,a\n")
    with pytest.raises(DataError, match="has no column group. It has: path, person"):
        find(root)


def test_folder_without_real_and_fake(tmp_path):
    with pytest.raises(ConfigError, match="neither a folder real/ nor fake/"):
        find(tmp_path)
    (tmp_path / "real").mkdir()
    with pytest.raises(DataError, match="has no videos in real/ and fake/. Known endings: .*mp4"):
        find(tmp_path)


# csv -----------------------------------------------------------------------------------------------------------------


def rows(path, **options):
    return layouts.load_layout("csv").find_videos(path, **options)


def test_csv_columns_by_flag_and_the_others_as_attributes(tmp_path):
    path = table(tmp_path, "clip,truth,person,context\n a.mp4 ,1,x;y,news\n/abs/b.mp4,real,z,\nc.mp4,,,\n")
    entries = rows(path, path_column="clip", label_column="truth", group_column="person")
    assert [(entry.video_id, entry.path, entry.label, entry.identities) for entry in entries] == [
        ("a.mp4", tmp_path / "a.mp4", 1, ("x", "y")),
        ("/abs/b.mp4", Path("/abs/b.mp4"), 0, ("z",)),
        ("c.mp4", tmp_path / "c.mp4", None, ()),
    ]
    assert [dict(entry.attributes) for entry in entries] == [{"context": "news"}, {"context": ""}, {"context": ""}]


def test_csv_video_root(tmp_path):
    (entry,) = rows(table(tmp_path, "path\na.mp4\n"), video_root=tmp_path / "videos")
    assert entry.path == tmp_path / "videos" / "a.mp4"


def test_csv_column_in_place_of_another_keeps_both(tmp_path):
    (entry,) = rows(table(tmp_path, "path,label,truth\na.mp4,photo,fake\n"), label_column="truth")
    assert entry.label == 1
    assert dict(entry.attributes) == {"table_label": "photo"}


WHERE_TABLE = "video_id,path,kind,label\na,a,video,real\nb,b,video_half,fake\nc,c,photo,real\nd,d,photo,\n"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["kind=video"], "a"),
        (["kind=video*"], "ab"),
        (["kind=video|photo"], "acd"),
        (["kind!=photo"], "ab"),
        (["kind!=photo", "label!=fake"], "a"),
        (["label="], "d"),
        (["label!="], "abc"),
        ([], "abcd"),
    ],
)
def test_csv_where(tmp_path, where, expected):
    entries = rows(table(tmp_path, WHERE_TABLE), where=where)
    assert "".join(entry.video_id for entry in entries) == expected


def test_csv_unknown_label_is_refused_with_the_way_to_leave_it_out(tmp_path):
    path = table(tmp_path, WHERE_TABLE.replace("fake", "mixed"))
    with pytest.raises(DataError, match=r"Row 2 of .*Received: 'mixed'. Mend it, or leave such rows out \(--where"):
        rows(path)
    assert len(rows(path, where=["label!=mixed"])) == 3


def test_csv_row_numbers_in_errors_count_rows_that_were_left_out(tmp_path):
    path = table(tmp_path, "path,kind,label\na,photo,real\nb,video,odd\n")
    with pytest.raises(DataError, match="Row 2 of"):
        rows(path, where=["kind=video"])


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"label_column": "truth"}, ConfigError, r"no column 'truth' \(--label-column\). It has: path, label"),
        ({"where": ["kind=video"]}, ConfigError, "--where must be COLUMN=VALUE.*Columns: path, label"),
        ({"where": ["label"]}, ConfigError, "Received: 'label'"),
        ({"where": ["label=fake"]}, DataError, "None of the 1 rows of .* fulfils --where label=fake"),
    ],
)
def test_csv_wrong_use(tmp_path, options, kind, message):
    with pytest.raises(kind, match=message):
        rows(table(tmp_path, "path,label\na.mp4,real\n"), **options)


def test_csv_without_paths(tmp_path):
    with pytest.raises(ConfigError, match="no column 'path'"):
        rows(table(tmp_path, "file,label\na.mp4,real\n"))
    with pytest.raises(DataError, match="Row 1 of .*: the path is empty"):
        rows(table(tmp_path, "path,label\n,real\n"))


def test_typescript_is_no_video_and_a_damaged_transport_stream_is_one(tmp_path):
    stream = b"\x47\x40\x00\x10" + b"\xff" * 184
    files = {
        "a.ts": stream * 30,
        "b.mts": b"\0\0\0\1" + stream,
        "damaged.ts": b"\xfe\x12" * 500,
        "empty.ts": b"",
        "node_modules/index.d.ts": "export const größe: number;\n".encode() * 200,
        "module.mts": b"G",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = [path.relative_to(tmp_path).as_posix() for path in layouts.video_files(tmp_path)]
    assert found == ["a.ts", "b.mts", "damaged.ts", "empty.ts"]
