"""A servable as one file: the same bytes each time, a card that says what was measured, and a way back."""

import gzip
import io
import json
import tarfile

import pytest

from deepfake_tf.errors import ConfigError, ServableError
from deepfake_tf.model_card import write_card
from deepfake_tf.schema import ClipSpec, ServableSpec
from tests import servables
from tests.test_archives import site  # noqa: F401 (a fixture)

RUN = {
    "settings": {"backbone": "small_cnn", "head": "lstm"},
    "environment": {"tensorflow": "2.21.0", "platform": "my-machine"},
    "data": {
        "fingerprint": "abc",
        "splits": {"train": {"num_videos": 104, "num_groups": 13, "num_clips": {"real": 208, "fake": 207}}},
    },
}
VIDEOS = {
    "num_real": 28,
    "num_fake": 28,
    "num_groups": 7,
    "metrics": {"roc_auc": 0.9974, "tpr_at_fpr_0_001": None},
    "intervals": {"roc_auc": [0.9885, 1.0], "tpr_at_fpr_0_001": [None, None]},
    "confusion": [[28, 0], [1, 27]],
}
REPORT = {
    "run": RUN,
    "videos": VIDEOS,
    "coverage": {"num_videos": 60, "num_judged": 56},
    "data": {"split": "test", "fingerprint": "def"},
    "decision": {"threshold": 0.6, "joining": "mean", "chosen_on": {}, "calibration": {"method": "platt"}},
    "by": {"method": [{"value": "swap", "num_fake": 14, "metrics": {"roc_auc": 0.5}, "intervals": {}}]},
}


def test_the_card_says_what_was_measured_and_what_it_is_not_good_for():
    card = write_card(servables.SPEC, RUN, REPORT)
    assert card.startswith("# detector, version 1\n\nOf a real and a fake video like these the model picks the fake")
    assert "| train | 104 | 13 | 208 | 207 |" in card
    assert "| roc_auc | 0.997 | 0.989 to 1.000 | chance that a fake scores above a real one; 0.5 is guessing |" in card
    assert "tpr_at_fpr_0_001" not in card
    assert "| swap | 14 | 0.500 |" in card
    assert "As proof" in card
    assert "4 of 60 could not be judged" in card
    # Nothing of who made it.
    assert "my-machine" not in card


def test_a_card_without_a_report_says_so():
    card = write_card(ServableSpec(clip_spec=ClipSpec()), RUN, None)
    assert "was not measured" in card
    assert "Not measured." in card


@pytest.mark.slow
def test_an_archive_is_the_same_each_time_whatever_the_times_and_the_order(tmp_path):
    from deepfake_tf.publishing import pack

    for folder, names in [("a", ["x", "sub/y"]), ("b", ["sub/y", "x"])]:
        for name in names:
            path = tmp_path / folder / "3" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
            path.chmod(0o600 if folder == "a" else 0o755)
    first, second = (pack("detector-3", tmp_path / one / "3", {"LICENSE": b"terms"}) for one in "ab")
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        members = {one.name: one for one in tar}
        assert list(members) == ["detector-3/3/sub/y", "detector-3/3/x", "detector-3/LICENSE"]
        assert {(one.mtime, one.uid, one.gid, one.mode, one.uname) for one in members.values()} == {
            (0, 0, 0, 0o644, "")
        }
    # The head of a gzip file has a time of its own.
    assert first[4:8] == bytes(4)
    assert gzip.decompress(first)


@pytest.fixture
def exported(tmp_path):
    """A run with new weights, and its servable."""
    from deepfake_tf.export import export_servable
    from deepfake_tf.learning import settings

    chosen = settings.TrainSettings(
        backbone_settings=servables.plugin_settings("backbones", "small_cnn"),
        head="lstm",
        head_settings=servables.plugin_settings("heads", "lstm"),
    )
    data = {**RUN["data"], "clip_spec": servables.CLIP_SPEC.to_json()}
    run = {"format_version": settings.RUN_VERSION, "settings": chosen.to_json(), "environment": {}, "data": data}
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    servables.tiny_model().save(run_dir / "model.keras")
    (run_dir / "run.json").write_text(json.dumps({**run, "result": {}}))
    (tmp_path / "terms.txt").write_text("do what you like")
    return run_dir, export_servable(run_dir, tmp_path / "servables" / "faces").parent


@pytest.mark.slow
def test_what_is_published_can_be_fetched_and_judges_alike(exported, site, tmp_path, monkeypatch, capsys):  # noqa: F811
    import numpy as np

    from deepfake_tf.detector import Detector
    from pipelines import publish

    run_dir, base = exported
    report = json.loads(json.dumps({**REPORT, "run": json.loads((run_dir / "run.json").read_text())}))
    report["decision"]["threshold"] = 0.5
    (tmp_path / "report.json").write_text(json.dumps(report))
    out = tmp_path / "faces-1.tar.gz"
    flags = ["--out", str(out), "--run", str(run_dir), "--licence", str(tmp_path / "terms.txt")]
    flags += ["--report", str(tmp_path / "report.json")]
    assert publish.main([str(base), *flags]) == 0
    digest, name = (tmp_path / "faces-1.tar.gz.sha256").read_text().split()
    assert f"sha256  {digest}" in capsys.readouterr().out
    assert name == out.name

    monkeypatch.setenv("SSL_CERT_FILE", str(site.ca))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    site.answers = {"/faces-1.tar.gz": (200, {}, out.read_bytes())}
    clips, mask = servables.jpeg_clips(2)
    with Detector.load(f"{site.url}/faces-1.tar.gz", sha256=digest) as fetched, Detector.load(base) as local:
        assert fetched.predictor.spec() == local.predictor.spec()
        judged = [one.predictor.predict(clips, mask, spec=one.predictor.spec()) for one in (fetched, local)]
    np.testing.assert_array_equal(*judged)
    (folder,) = (tmp_path / "cache" / "deepfake-tf" / "servables" / digest).iterdir()
    assert (folder.name, (folder / "LICENSE").read_text()) == ("faces-1", "do what you like")
    assert (folder / "MODEL_CARD.md").read_text().startswith("# faces, version 1")


@pytest.mark.slow
def test_what_does_not_belong_together_is_refused(tmp_path):
    from deepfake_tf import publishing

    publishing._check_report(REPORT, RUN, servables.SPEC, tmp_path)
    with pytest.raises(ConfigError, match="is a report on another run"):
        publishing._check_report(REPORT, {**RUN, "settings": {}}, servables.SPEC, tmp_path)
    other = {**REPORT, "decision": {**REPORT["decision"], "threshold": 0.7}}
    with pytest.raises(ConfigError, match="was made with the threshold 0.7"):
        publishing._check_report(other, RUN, servables.SPEC, tmp_path)
    with pytest.raises(ServableError, match="does not say what it was made from"):
        publishing._check_origin(tmp_path, "12", "runs/1")
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "source.json").write_text('{"weights_sha256": "12"}')
    publishing._check_origin(tmp_path, "12", "runs/1")
    with pytest.raises(ServableError, match="was not exported from runs/1: its weights are others"):
        publishing._check_origin(tmp_path, "13", "runs/1")
    with pytest.raises(ConfigError, match=r"must end in .tar.gz"):
        publishing.publish(tmp_path, "x.zip", run_dir=tmp_path, report=None, licence=tmp_path)


def test_wrong_use_is_one_line(tmp_path, capsys):
    from pipelines import publish

    assert publish.main([str(tmp_path), "--out", "x.tar.gz", "--run", str(tmp_path), "--licence", "absent"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no ")
