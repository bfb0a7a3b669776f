"""What is drawn, read back from the figures."""

import io
import re

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from deepfake_tf.reporting import figures, report_plots


@pytest.mark.parametrize(("hits", "number"), [(0, 5), (3, 7), (7, 7), (40, 90)])
def test_wilsons_interval_is_scipys(hits, number):
    expected = scipy.stats.binomtest(hits, number).proportion_ci(method="wilson")
    assert report_plots.wilson(hits, number) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_confusion_matrix_is_dark_where_the_share_is_high():
    picture = Image.open(io.BytesIO(figures.to_png(report_plots.draw_confusion([[9, 1], [0, 0]]))))
    grey = np.asarray(picture.convert("L")).astype(float)
    height, width = grey.shape
    # Away from the middle of each cell, where the number stands.
    cells = [grey[int(height * y), int(width * x)] for y in (0.2, 0.62) for x in (0.25, 0.68)]
    assert cells[0] < cells[1] - 20
    # A class without videos has no shares.
    assert min(cells[2:]) > 230


def test_the_error_tradeoff_is_on_the_scale_of_the_normal_distribution():
    figure = report_plots.draw_det({"fpr": [0, 0.5, 1], "tpr": [0, 0.8413447, 1]}, 100, 100)
    line = next(one for one in figure.axes[0].lines if one.get_label().startswith("this model"))
    # Half of the reals is 0, a sixth of the fakes one deviation below; what is never seen lies half a video away.
    least = scipy.stats.norm.ppf(0.005)
    assert np.asarray(line.get_xdata(), float) == pytest.approx([least, 0, -least])
    assert np.asarray(line.get_ydata(), float) == pytest.approx([-least, -1, least], abs=1e-5)


def test_every_video_has_its_place_in_the_scatter():
    figure = report_plots.draw_scores({"real": [0.1, 0.7], "fake": [0.9]}, 0.4, 0.1)
    reals, fakes = (one.get_offsets().tolist() for one in figure.axes[0].collections[:2])
    assert (reals, fakes) == ([[0.0, 0.1], [1.0, 0.7]], [[2.0, 0.9]])


def test_a_figure_in_a_page_names_no_address_and_keeps_its_names_apart():
    texts = [
        figures.to_svg(report_plots.draw_roc({"fpr": [0, 1], "tpr": [0, 1]}, (0.1, 0.9)), name, 'a "b" & c')
        for name in ("one", "two")
    ]
    names = [set(re.findall(r'\bid="([^"]*)"', text)) for text in texts]
    assert not names[0] & names[1]
    for text, own in zip(texts, names, strict=True):
        assert "http" not in text
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', text)) <= own
        assert text.startswith('<svg role="img" aria-label="a &quot;b&quot; &amp; c" viewBox=')
    # Equal figures are equal text, whenever they are drawn.
    assert texts[0].replace("one-", "") == texts[1].replace("two-", "")
