"""What the command prints, and how it ends."""

from pipelines import robustness

POINT = {
    "num_judged": 4,
    "roc_auc": 0.9,
    "roc_auc_interval": [0.8, 0.95],
    "change": -0.0002,
    "change_interval": [-0.1, 0],
}


def test_the_table_names_each_degradation_once(capsys):
    curve = {
        "title": "Noise",
        "unit": "grey levels",
        "points": {"2": POINT, "5": POINT, "9": POINT | {"roc_auc": None}},
    }
    robustness.print_table({"num_real": 2, "num_fake": 2, "clean": POINT, "curves": [curve]})
    out = capsys.readouterr().out
    assert out.count("Noise") == out.count("grey levels") == 1
    assert "-0.100 to +0.000" in out
    assert "-0.000" not in out


def test_a_run_that_is_not_there_is_one_line(capsys):
    assert robustness.main(["absent", "data", "--out", "x"]) == 2
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
