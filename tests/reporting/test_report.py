"""The page as a browser reads it: whole, by itself, every picture told in words, sentences that follow from numbers."""

import html.parser
import re

import pytest

from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.manifest import read_manifest
from deepfake_tf.reporting import report, report_words
from tests.clips_of_squares import write_data
from tests.evaluated import results_of, rows_of

POINT = {
    "num_judged": 24,
    "roc_auc": 0.9,
    "roc_auc_interval": [0.8, 0.95],
    "change": 0.0,
    "change_interval": [0.0, 0.0],
    "mean_score_real": 0.2,
    "mean_score_fake": 0.8,
}
WORSE = POINT | {"num_judged": 20, "roc_auc": 0.6, "change": -0.3, "change_interval": [-0.4, -0.1]}
ROBUSTNESS = {
    "num_real": 12,
    "num_fake": 12,
    "num_groups": 6,
    "max_videos": 24,
    "threshold": 0.5,
    "clean": POINT,
    "curves": [
        {
            "name": "jpeg",
            "title": "JPEG",
            "unit": "quality",
            "level": "clip",
            "labels": ["clean", "50", "10"],
            "points": {"50": POINT, "10": WORSE},
        }
    ],
}


class Reader(html.parser.HTMLParser):
    """Sees whether every element is closed in its turn, and keeps what it needs to know of them."""

    void = frozenset({"meta", "img", "br"})

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    videos = [(row["video_id"], int(row["label"] == "fake")) for row in rows_of(6)]
    return write_data(
        tmp_path_factory.mktemp("data") / "data", {"test": [(name.replace("/", "-"), label) for name, label in videos]}
    )


@pytest.fixture(scope="module")
def full(data):
    rows = [{**row, "video_id": row["video_id"].replace("/", "-")} for row in rows_of(6)]
    return report.render(
        results_of(rows, threshold=0.45, band=0.05),
        videos=rows,
        clips=list_clips(data, ["test"]),
        entries=read_manifest(data / "manifest.csv"),
        robustness=ROBUSTNESS,
    )


def words_of(**changes):
    """The sentence that the page begins with, and what is not to be concluded."""
    results = results_of(rows_of())
    results["videos"] = results["videos"] | changes
    return " ".join([report_words.verdict(results), *report_words.cautions(results)])


def test_the_page_needs_no_other_file_and_no_network(full):
    page = Reader(full)
    for tag, attrs in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/jpeg;base64,")), (tag, attrs)
    assert "http" not in full
    assert not re.findall(r"url\((?!#)", full)


def test_names_are_there_once_and_what_is_pointed_to_is_there(full):
    page = Reader(full)
    names = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(names) == len(set(names))
    pointed = [attrs["href"][1:] for tag, attrs in page.tags if tag in ("a", "use")]
    pointed += re.findall(r"url\(#([^)]*)\)", full)
    assert pointed
    assert set(pointed) <= set(names)


def test_every_picture_is_told_in_words_and_has_a_caption(full):
    page = Reader(full)
    pictures = [attrs for attrs in page.of("svg")]
    assert len(pictures) == 7
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 30 for attrs in pictures)
    assert page.of("img")
    assert all(attrs["alt"] for attrs in page.of("img"))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", full, re.S)
    assert len(captions) == len(page.of("figure"))
    assert all(caption.strip() for caption in captions)


def test_pictures_take_the_ink_of_the_page(full):
    assert "currentColor" in full
    assert "prefers-color-scheme: dark" in full
    svg = "".join(re.findall(r"<svg.*?</svg>", full, re.S))
    for black in ("#000000", "#1a1d21", "fill: white", "#ffffff"):
        assert black not in svg


@pytest.mark.parametrize(
    ("auc", "interval", "says"),
    [
        (0.875, [0.6, 1.0], "picks the fake in 88 of 100 cases (95 % interval 60 to 100)"),
        (0.6, [0.4, 0.8], "do not show that the model is better than guessing"),
        (0.2, [0.1, 0.3], "Are the labels right?"),
        (0.9, [None, None], "no interval can be given"),
        (None, [None, None], "one class only"),
    ],
)
def test_the_page_begins_with_what_the_scores_show(auc, interval, says):
    metrics = {"roc_auc": auc, "accuracy": 0.75, "balanced_accuracy": 0.7, "ece": 0.1}
    assert says in words_of(metrics=metrics, intervals={"roc_auc": interval}, notes={})


def test_where_there_is_no_interval_it_says_why():
    perfect = {"metrics": {"roc_auc": 1.0, "accuracy": 1.0, "balanced_accuracy": 1.0, "ece": 0.1}, "notes": {}}
    perfect["intervals"] = {"roc_auc": [None, None]}
    assert "every draw of the 7 groups gives the same figure" in words_of(**perfect, num_groups=7)
    assert "all videos are of one group" in words_of(**perfect, num_groups=1)


def test_a_wide_interval_and_a_missing_video_are_warned_of(full):
    text = words_of(intervals={"roc_auc": [0.55, 0.95]})
    assert "anything from 0.55 to 0.95" in text
    assert "1 of 49 could not be judged" in text
    assert "lost No face was found." in " ".join(Reader(full).text.split())


def test_what_a_single_answer_is_worth_follows_from_the_rates():
    # 2 of 20 reals and 9 of 10 fakes are called fake: of 10 fakes in 1,000 videos 9, and 990 * 0.1 of the reals.
    text = words_of(confusion=[[18, 2], [1, 9]])
    assert "some 108 are called fake, and 99 of those are real" in text
    # No false alarm among 20 leaves 3 / 20 possible.
    text = words_of(confusion=[[20, 0], [1, 9]])
    assert "15.0 % of false alarms that 20 reals allow some 158 are called fake" in text


def test_one_class_has_a_page_without_what_is_not_defined(tmp_path):
    rows = [row for row in rows_of() if row["label"] == "real"]
    report.write(tmp_path, results_of(rows), videos=rows)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    text = Reader((tmp_path / "report.html").read_text()).text
    assert "one class only" in text
    assert "ROC" not in text


def test_the_hardest_are_the_most_wrong_then_the_least_sure(full):
    hard = report._hardest(
        [
            {"video_id": name, "label": label, "score": score}
            for name, label, score in (("a", "real", 0.9), ("b", "fake", 0.3), ("c", "fake", 0.51), ("d", "real", 0.1))
        ],
        0.5,
        None,
    )
    assert [(one.video_id, one.is_wrong) for one in hard] == [("a", True), ("b", True), ("c", False), ("d", False)]
    assert len(re.findall(r'class="hard"', full)) == 1
    assert full.count("data:image/jpeg") == 3 * 12


def test_robustness_says_what_hurts_and_what_gets_lost(full):
    text = " ".join(Reader(full).text.split())
    assert "More than chance costs: JPEG (−0.30)" in text
    assert "Most is lost at 10 (quality): the AUC changes by −0.30 (95 %: −0.40 to −0.10)" in text
    assert "In up to 4 videos no face is found any more" in text


def test_matched_pairs_that_are_told_apart_worse_are_warned_of_first():
    results = results_of(rows_of())
    results["by"] = {
        "pair": [
            {"value": name, "against": "own", "metrics": {"roc_auc": auc}, "intervals": {"roc_auc": [0.3, 0.96]}}
            for name, auc in (("alone", 0.92), ("matched", 0.58))
        ]
    }
    first = report_words.cautions(results)[0]
    assert "on matched pairs" in first
    assert "0.58 (95 % interval 0.30 to 0.96), on the other videos 0.92" in first
    assert "In a matched pair" in report_words.on_slices(results["by"]["pair"], "pair")
    results["by"]["pair"][1]["metrics"]["roc_auc"] = 0.95
    assert "matched" not in " ".join(report_words.cautions(results))


def test_methods_are_compared_by_their_intervals():
    slices = [
        {"value": name, "against": "all reals", "metrics": {"roc_auc": auc}, "intervals": {"roc_auc": interval}}
        for name, auc, interval in (("swap", 0.6, [0.5, 0.7]), ("blend", 0.9, [0.8, 0.95]))
    ]
    says = report_words.on_slices(slices, "method")
    assert "Worst is swap (0.60), best blend (0.90); their intervals do not touch" in says
    # One pair of videos says nothing.
    few = {"value": "rare", "against": "own", "metrics": {"roc_auc": 0.0}, "intervals": {"roc_auc": [None, None]}}
    assert "Worst is swap (0.60)" in report_words.on_slices([*slices, few], "method")
    says = report_words.on_slices([slices[1], few], "method")
    assert says.endswith("best blend (0.90); without an interval of rare this may be chance.")
    says = report_words.on_slices([few, {**few, "value": "other", "metrics": {"roc_auc": 1.0}}], "method")
    assert says.endswith("without an interval of rare and other this may be chance.")
    slices[1]["intervals"]["roc_auc"] = [0.65, 0.95]
    assert "may be chance" in report_words.on_slices(slices, "method")
    slices[1]["metrics"]["roc_auc"] = 0.6
    assert report_words.on_slices(slices, "method").endswith("All have the same AUC, 0.60.")


def test_the_page_says_how_to_make_it_again_and_writes_paths_as_text(full):
    text = " ".join(Reader(full).text.split())
    assert "python -m pipelines.robustness runs/one 'data/<clips>' --split test --max-videos 24" in text
    assert "python -m pipelines.evaluate runs/one 'data/<clips>' --split test" in text


def test_what_is_not_known_fails_and_is_not_left_blank():
    results = results_of(rows_of())
    del results["coverage"]
    with pytest.raises(KeyError, match="coverage"):
        report.render(results, videos=rows_of())
