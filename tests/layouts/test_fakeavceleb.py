"""FakeAVCeleb: the table's odd columns, labels by the picture, people, originals, files listed twice."""

import pytest

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import fakeavceleb
from deepfake_tf.schema import FAKE, REAL

HEAD = "source,target1,target2,method,category,type,race,gender,path,\n"
PLACE = "African/men/id00076"
ROWS = (
    f"id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,FakeAVCeleb/RealVideo-RealAudio/{PLACE}\n"
    f"id00076,-,-,rtvc,B,RealVideo-FakeAudio,African,men,00109_fake.mp4,FakeAVCeleb/RealVideo-FakeAudio/{PLACE}\n"
    f"id00076,id00476,-,faceswap,C,FakeVideo-RealAudio,African,men,00109_id00476_9.mp4,"
    f"FakeAVCeleb/FakeVideo-RealAudio/{PLACE}\n"
    f"id00076,id00476,10,wav2lip,D,FakeVideo-FakeAudio,African,men,00109_10_id00476_wavtolip.mp4,"
    f"FakeAVCeleb/FakeVideo-FakeAudio/{PLACE}\n"
)


def write_table(root, text):
    (root / "meta_data.csv").write_text(text)


def test_the_table_gives_label_people_method_and_original(tmp_path):
    write_table(tmp_path, HEAD + ROWS)
    real, sound, swap, both = fakeavceleb.find_videos(tmp_path)
    assert [entry.label for entry in (real, sound, swap, both)] == [REAL, REAL, FAKE, FAKE]
    assert [entry.method for entry in (real, sound, swap, both)] == ["", "", "faceswap", "wav2lip"]
    assert real.video_id == f"RealVideo-RealAudio/{PLACE}/00109.mp4"
    assert real.path == tmp_path / "RealVideo-RealAudio" / PLACE / "00109.mp4"
    assert real.identities == ("voxceleb2:id00076",)
    # The 10 in target2 is no person.
    assert both.identities == ("voxceleb2:id00076", "voxceleb2:id00476")
    assert real.original_id == ""
    assert sound.original_id == swap.original_id == both.original_id == real.video_id
    assert swap.attributes == {"type": "FakeVideo-RealAudio", "race": "African", "gender": "men"}


def test_a_file_that_is_listed_twice_gets_one_row(tmp_path):
    again = (
        ROWS.splitlines(keepends=True)[3].replace("wav2lip,", "faceswap-wav2lip,").replace("id00476,10", "id00500,-")
    )
    write_table(tmp_path, HEAD + ROWS + again)
    *_, both = fakeavceleb.find_videos(tmp_path)
    assert both.method == "faceswap-wav2lip|wav2lip"
    assert both.identities == ("voxceleb2:id00076", "voxceleb2:id00476", "voxceleb2:id00500")


def test_a_table_with_a_column_for_the_file_name(tmp_path):
    head = "source,target1,target2,method,category,type,race,gender,filename,path\n"
    write_table(tmp_path, head + ROWS)
    assert fakeavceleb.find_videos(tmp_path)[0].video_id == f"RealVideo-RealAudio/{PLACE}/00109.mp4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + ROWS.replace("RealVideo-RealAudio", "Real"), "Row 1 .* type is 'Real'"),
        ("path,label\na.mp4,0\n", "Row 1 .* no row of FakeAVCeleb's table"),
    ],
)
def test_another_table_is_refused(tmp_path, text, message):
    write_table(tmp_path, text)
    with pytest.raises(DataError, match=message):
        fakeavceleb.find_videos(tmp_path)


def test_another_data_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no meta_data\.csv"):
        fakeavceleb.find_videos(tmp_path)
