from tests.benchmarks import generalisation


def test_the_log_says_what_was_measured():
    text = generalisation.LOG.read_text()
    assert text == generalisation.written(text), "run python -m tests.benchmarks.generalisation"
    assert list(generalisation.MEASURED.glob("*.json"))
