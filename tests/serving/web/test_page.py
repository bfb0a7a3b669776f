"""The page in a real browser: what a visitor sees, hears, and can do with a keyboard."""

import csv
import json
import threading
import time

import grpc
import pytest

from deepfake_tf.workers import WorkerPool
from serving.protos.deepfake.v1 import detection_pb2
from tests.serving import videos
from tests.serving.in_process import GatewayThread, StubPredictor
from tests.serving.web import chromium
from tests.serving.web.running import BUSY, LIMITS, WebThread, progress_event, verdict_event

pytestmark = pytest.mark.slow
ANSWERS = detection_pb2.Verdict
OUTCOMES = detection_pb2.Outcome
# Of each picture of a face: how many different values its pixels have.
NUM_VALUES = """
[...document.querySelectorAll("#faces-list canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(data).size;
})
"""
# Texts with less contrast to what they stand on than WCAG's AA asks for: (L1 + 0.05) / (L2 + 0.05) >= 4.5.
CONTRAST = """
(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const linear = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = rgb(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement: element, textContent } = walker.currentNode;
    if (!textContent.trim() || !element.checkVisibility() || element.closest("noscript")) continue;
    const style = getComputedStyle(element);
    const ink = rgb(element instanceof SVGElement ? style.fill : style.color);
    const [low, high] = [light(ink), light(ground(element))].sort((one, other) => one - other);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${textContent.trim()}`);
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    binary = chromium.find()
    if binary is None:
        pytest.skip("no Chromium to look at the page with")
    made = chromium.Browser(binary, tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture
def page(browser, web):
    """The page before a scripted gateway, on a desktop and in light."""
    browser.log.clear()
    browser.look(width=1280, dark=False)
    browser.open(web.address + "/")
    return browser


@pytest.fixture(scope="module")
def judging(tmp_path_factory):
    """The page's server before a gateway that really judges, and its folder of uploads."""
    folder = tmp_path_factory.mktemp("uploads")
    with WorkerPool(1, limits=LIMITS) as pool:
        gateway = GatewayThread(StubPredictor(), pool, folder, limits=LIMITS)
        web = WebThread(gateway.socket_target)
        yield web, folder
        web.close()
        gateway.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return videos.face_video(tmp_path_factory.mktemp("videos") / "face.mp4")


@pytest.fixture
def real_video(real_data):
    with (real_data / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["codec"] == "h264"]
    paths = [real_data / row["path"] for row in rows if row["path"].startswith("videos/real/")]
    return min(paths, key=lambda path: path.stat().st_size)


def text_of(page, selector):
    return page.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")


def is_shown(selector):
    return f"document.querySelector({json.dumps(selector)}).checkVisibility()"


def focused(page):
    return page.evaluate("document.activeElement.id")


def show(page, gateway, file, event):
    gateway.events = [event]
    page.choose_file("#file", file)
    page.wait_for(is_shown("#result"))
    return text_of(page, "#card")


def judged(**values):
    """A verdict with two faces."""
    clips = [detection_pb2.Clip(start_sec=n, end_sec=n + 0.5, score=0.2 * n) for n in range(4)]
    tracks = [detection_pb2.Track(id=number, score=0.4, clips=clips) for number in range(2)]
    model = detection_pb2.Model(name="detector", version=3, spec_hash="ab")
    return verdict_event(**{"threshold": 0.5, "band": 0.1, "coverage": 0.9, "tracks": tracks, "model": model, **values})


def test_a_real_video_that_is_dropped_gets_a_verdict(browser, judging, real_video):
    web, folder = judging
    browser.log.clear()
    browser.look(width=1280, dark=False)
    browser.open(web.address + "/")
    browser.drop_file("h1", real_video)
    browser.wait_for(is_shown("#result"))
    # The stub's logit of 2, calibrated: 1.5 * 2 + 0.25.
    assert "Looks fake" in text_of(browser, "#answer")
    assert "score 0.963 is at or above the threshold 0.6" in text_of(browser, "#reason")
    assert browser.wait_for("document.querySelectorAll('#timeline .clip').length") >= 2
    origins = browser.evaluate("performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)")
    assert set(origins) - {"null"} == {web.address}
    assert browser.log == []
    num_values = browser.wait_for(f"((found) => found.every((one) => one > 50) && found)({NUM_VALUES})")
    assert len(num_values) >= 2
    deadline = time.monotonic() + 10
    while list(folder.iterdir()):
        assert time.monotonic() < deadline, "the upload is still there"
        time.sleep(0.05)


def test_a_file_that_the_browser_cannot_play_is_judged_all_the_same(browser, judging, video):
    web, _ = judging
    browser.open(web.address + "/")
    browser.choose_file("#file", video)
    browser.wait_for(f"{is_shown('#result')} && {is_shown('#no-player')}")
    assert "Looks fake" in text_of(browser, "#answer")
    assert not browser.evaluate(is_shown("#player"))
    browser.wait_for("document.querySelectorAll('#faces-list canvas').length === 0")
    assert "Face 1: score 0.96" in text_of(browser, "#faces-list")
    assert browser.evaluate("document.querySelectorAll('#table tbody tr').length") == 2


def test_only_a_fake_looks_like_one(page, gateway, video):
    tone = "getComputedStyle(document.querySelector('#answer')).color"
    said = show(page, gateway, video, judged(verdict=ANSWERS.FAKE, score=0.97))
    assert "Looks fake" in said
    fake = page.evaluate(tone)
    for verdict, words in (
        (judged(verdict=ANSWERS.REAL, score=0.1), ("No sign of a fake", "does not prove")),
        (judged(verdict=ANSWERS.INCONCLUSIVE, score=0.55), ("Cannot tell", "too near the threshold")),
        (
            verdict_event(verdict=ANSWERS.NO_FACE, score=None),
            ("No face found", "says nothing on whether the video is real"),
        ),
        (
            verdict_event(verdict=ANSWERS.UNREADABLE, outcome=OUTCOMES.TOO_LONG, score=None, reason="it has 99 s"),
            (
                "Not judged",
                "longer than this gateway takes",
                "it has 99 s",
                "says nothing on whether the video is real",
            ),
        ),
    ):
        said = show(page, gateway, video, verdict)
        assert all(word in said for word in words), said
        assert "looks fake" not in said.lower()
        assert page.evaluate(tone) != fake
        has_score = verdict.verdict.HasField("score")
        assert page.evaluate("document.querySelectorAll('#scale svg').length") == has_score
        assert page.evaluate(is_shown("#timeline")) == has_score
    assert page.log == []


def test_progress_is_told_in_words_and_cancel_stops_the_work(page, gateway, video):
    gateway.events, gateway.hold_last = [progress_event("faces", 0.4)], threading.Event()
    page.choose_file("#file", video)
    page.wait_for("document.querySelector('#stage-faces .share').textContent === '40 %'")
    assert text_of(page, "[aria-current=step]").startswith("Finding the faces")
    assert text_of(page, "#stage-upload .share") == "100 %"
    # What a screen reader says by itself.
    assert page.evaluate("document.querySelector('[role=status]').textContent") == "Finding the faces"
    assert focused(page) == "working-title"
    page.evaluate("document.querySelector('#cancel').click()")
    assert gateway.was_cancelled.wait(10)
    assert not page.evaluate(is_shown("#working"))
    assert focused(page) == "file"


def test_a_gateway_that_is_busy_is_said_to_be_and_asked_again(page, gateway, video):
    gateway.error = BUSY
    page.choose_file("#file", video)
    page.wait_for(is_shown("#trouble"))
    for word in ("The gateway is busy", "Too much to do.", "Try again in 3 seconds."):
        assert word in text_of(page, "#trouble")
    assert focused(page) == "trouble-title"
    gateway.reset()
    gateway.events = [judged()]
    page.evaluate("document.querySelector('#again').click()")
    page.wait_for(is_shown("#result"))
    assert not page.evaluate(is_shown("#trouble"))


def test_a_failure_midway_is_no_verdict(page, gateway, video):
    gateway.events, gateway.error = (
        [progress_event("faces", 0.4)],
        (grpc.StatusCode.UNAVAILABLE, "The model is gone.", ()),
    )
    page.choose_file("#file", video)
    page.wait_for(is_shown("#trouble"))
    assert "The model is gone." in text_of(page, "#trouble")
    assert not page.evaluate(is_shown("#result"))


def test_a_file_that_is_too_large_is_not_sent(page, gateway, tmp_path):
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(LIMITS.max_bytes + 1)
    page.wait_for("document.querySelector('#limits').textContent === 'Up to 3 MB and 30 seconds.'")
    page.choose_file("#file", path)
    page.wait_for(is_shown("#trouble"))
    assert "larger than 3 MB" in text_of(page, "#trouble")
    assert not gateway.has_begun.is_set()


def test_the_models_card_is_folded_and_its_text_is_never_html(page):
    page.wait_for(is_shown("#card-box > summary"))
    assert not page.evaluate("document.querySelector('#card-box').open")
    page.evaluate("document.querySelector('#card-box').open = true")
    card = "document.querySelector('#model-card')"
    assert text_of(page, "#model-card h3") == "detector, version 3"
    assert text_of(page, "#model-card p") == "Not measured. <img src=x onerror=alert(1)>"
    assert text_of(page, "#model-card ul").split("\n") == ["As proof.", "For sound, and a ** that is none."]
    assert page.evaluate(f"[...{card}.querySelectorAll('b, code')].map((one) => one.textContent)") == [
        "Not measured.",
        "proof",
    ]
    assert page.evaluate(f"[...{card}.querySelectorAll('th, td')].map((one) => one.textContent)") == [
        *("split", "videos"),
        *("train", "104"),
    ]
    assert page.evaluate(f"{card}.querySelector('img')") is None
    assert page.log == []


def test_a_token_is_asked_for_and_used(page, gateway, video):
    gateway.error = (grpc.StatusCode.UNAUTHENTICATED, "A token is needed.", ())
    page.choose_file("#file", video)
    page.wait_for(is_shown("#token-form"))
    assert focused(page) == "token"
    page.call("Input.insertText", text="wr0ng")
    page.press("Enter", 13)
    page.wait_for(is_shown("#trouble"))
    assert "does not know this token" in text_of(page, "#trouble")
    assert focused(page) == "token"
    gateway.reset()
    gateway.events = [judged()]
    page.call("Input.insertText", text="s3cret")
    page.press("Enter", 13)
    page.wait_for(is_shown("#result"))
    assert gateway.metadata["authorization"] == "Bearer s3cret"
    assert page.evaluate("document.querySelector('#token').value + document.cookie + localStorage.length") == "0"


def test_everything_can_be_reached_with_the_keyboard(page, gateway, video):
    show(page, gateway, video, judged())
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); window.scrollTo(0, 0)")
    page.evaluate("document.querySelector('h1').tabIndex = -1; document.querySelector('h1').focus()")
    reached = []
    for _ in range(12):
        page.press("Tab", 9)
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert reached[0] == "file"
    assert "The same as a table" in reached
    assert "Details" in reached
    page.evaluate("document.querySelector('#file').focus()")
    page.call("Page.setInterceptFileChooserDialog", enabled=True)
    page.press("Enter", 13)
    page.wait_for("true")
    assert "Page.fileChooserOpened" in page.seen
    page.call("Page.setInterceptFileChooserDialog", enabled=False)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_can_be_read_at_every_width_in_light_and_dark(page, gateway, video, width, dark):
    page.look(width=width, dark=dark)
    for event in (judged(verdict=ANSWERS.FAKE, score=0.97), judged(verdict=ANSWERS.INCONCLUSIVE, score=0.45), judged()):
        show(page, gateway, video, event)
        page.wait_for("document.querySelectorAll('#timeline svg').length > 0")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") != dark


def test_a_screen_reader_is_told_everything(page, gateway, video):
    show(page, gateway, video, judged(verdict=ANSWERS.FAKE, score=0.97))
    page.wait_for("document.querySelectorAll('#timeline svg').length > 0")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    told = page.accessible()
    roles = {role for role, _ in told}
    assert ("button", "Choose a video") in told
    assert {"main", "banner", "contentinfo", "status", "table", "heading", "list"} <= roles
    needs_name = {"button", "link", "textbox", "image", "img", "SvgRoot", "Video", "progressbar", "region"}
    assert [role for role, name in told if role in needs_name and not name] == []
    names = " ".join(name for _, name in told)
    assert "Score 0.97 on a scale from 0 to 1. From 0.50 up it counts as fake." in names
    assert "Scores over time: face 1 between 0.00 and 0.60, face 2" in names
