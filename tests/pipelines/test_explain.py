"""What the command prints, and how it ends."""

from pipelines import explain


def test_a_summary_says_how_far_a_map_can_be_trusted(capsys):
    checks = {"agreement_with_occlusion": 0.61, "agreement_with_random_weights": None}
    explain.print_summary({"about": "Grad-CAM", "answer": "FAKE", "score": 0.9, "threshold": 0.5, "checks": checks})
    out = capsys.readouterr().out
    assert "FAKE: score 0.900, threshold 0.5" in out
    assert "+0.61" in out
    assert "a map is flat" in out


def test_a_run_that_is_not_there_is_one_line(capsys):
    assert explain.main(["absent", "pyproject.toml", "--out", "x"]) == 2
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
