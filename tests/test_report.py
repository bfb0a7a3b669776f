"""The page, for each thing that it may have to say."""

import copy
import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from deepfake_tf import report

RESULTS = {
    "run_path": "runs/one",
    "run": {
        "settings": {"backbone": "small_cnn", "head": "lstm", "seed": 3},
        "environment": {"keras": "3.15.1"},
        "data": {"path": "data/clips", "fingerprint": "aaaa"},
        "result": {"best_epoch": 4, "num_epochs": 9, "monitor": "val_loss"},
    },
    "data": {"path": "data/<clips>", "fingerprint": "bbbb", "split": "test"},
    "coverage": {"num_videos": 10, "num_judged": 8, "share_judged": 0.8, "refused": {"NO_FACE": 2}},
    "clips": {
        "num_real": 8,
        "num_fake": 8,
        "num_groups": 8,
        "metrics": {"roc_auc": 0.8, "accuracy": 0.7},
        "intervals": {"roc_auc": [0.7, 0.9]},
        "confusion": [[6, 2], [2, 6]],
        "threshold": 0.5,
    },
    "videos": {
        "num_real": 4,
        "num_fake": 4,
        "num_groups": 8,
        "metrics": {"roc_auc": 0.875, "accuracy": 0.75},
        "intervals": {"roc_auc": [0.6, 1.0]},
        "confusion": [[3, 1], [1, 3]],
        "threshold": 0.5,
    },
}


def page(**videos) -> str:
    results = copy.deepcopy(RESULTS)
    results["videos"].update(videos)
    return " ".join(report.render(results, confusion_png=b"png").split())


class Balance(html.parser.HTMLParser):
    """Sees whether every element that is opened is closed in its turn."""

    void = frozenset({"meta", "img", "br"})

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("auc", "interval", "says"),
    [
        (0.875, [0.6, 1.0], "in 88 of 100 cases"),
        (0.6, [0.4, 0.8], "do not show that the model is better than guessing"),
        (0.2, [0.1, 0.3], "Are the labels right?"),
        (0.9, [None, None], "no interval can be given"),
        (None, [None, None], "one class only"),
    ],
)
def test_the_page_begins_with_what_the_scores_show(auc, interval, says):
    text = page(metrics={"roc_auc": auc, "accuracy": 0.75}, intervals={"roc_auc": interval})
    assert says in text
    balance = Balance()
    balance.feed(text)
    assert not balance.open


def test_the_page_says_what_was_left_out_and_how_to_make_it_again():
    text = page()
    assert "2 of 10 videos could not be judged" in text
    assert "NO_FACE" in text
    assert "1 of 4 real videos were called fake, 1 of 4 fakes were missed" in text
    assert "python -m pipelines.evaluate runs/one data/&lt;clips&gt; --split test" in text


def test_what_is_not_known_fails_and_is_not_left_blank():
    results = copy.deepcopy(RESULTS)
    del results["coverage"]
    with pytest.raises(Exception, match="coverage"):
        report.render(results, confusion_png=b"")


def test_a_number_that_is_not_there_is_a_dash():
    assert (report.format_number(None), report.format_number(0.12345)) == ("–", "0.123")


def test_the_confusion_matrix_is_dark_where_the_share_is_high():
    picture = np.asarray(Image.open(io.BytesIO(report.draw_confusion([[9, 1], [0, 0]]))).convert("L")).astype(float)
    height, width = picture.shape
    # Away from the middle of each cell, where the number stands.
    cells = {
        (row, column): picture[int(height * (0.15 + 0.44 * row)), int(width * (0.2 + 0.37 * column))]
        for row in (0, 1)
        for column in (0, 1)
    }
    assert cells[0, 0] < 100 < cells[0, 1]
    # A class without videos has no shares.
    assert min(cells[1, 0], cells[1, 1]) > 200
