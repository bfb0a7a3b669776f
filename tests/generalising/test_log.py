from deepfake_tf.generalising import ingredients
from tests.benchmarks import generalisation, overview


def test_the_log_says_what_was_measured():
    text = generalisation.LOG.read_text()
    assert text == generalisation.written(text), "run python -m tests.benchmarks.generalisation"
    assert list(generalisation.MEASURED.glob("*.json"))


def test_every_ingredient_has_its_place_in_the_overview():
    placed = {name for names in overview.TOPICS.values() for name in names}
    assert set(ingredients.INGREDIENTS) - {ingredients.BASE, ingredients.BACKGROUND} <= placed
    assert placed <= {*ingredients.INGREDIENTS, *overview.RUNS}


def test_the_overview_keeps_what_tells_most_and_makes_bold_what_is_decided():
    rungs = {
        "short": rungs_of({"ema": {"clips": 2000, "measures": {"matched": against(0.1, 0.2, "better")}}}),
        "by-kind": rungs_of(
            {
                "ema": {
                    "clips": 1000,
                    "measures": {"matched": against(-0.2, 0.2, "undecided"), "swapped": against(-0.2, -0.1, "worse")},
                }
            }
        ),
    }
    heads, *found = overview.ingredient_rows({}, rungs)
    rows = [dict(zip(heads, row, strict=True)) for row in found]
    assert [(row["tried"], row["from"], row["clips"], row["base's"]) for row in rows] == [
        ("`ema`", "nothing", "1,000", "3,000")
    ]
    assert rows[0]["swapped"] == "**-0.150 (-0.200 to -0.100)**"
    assert rows[0]["matched pairs"] == "+0.000 (-0.200 to +0.200)"
    assert rows[0]["all kinds"] == rows[0]["retouched"] == ""


def rungs_of(rows):
    return {"rows": {"base": {"clips": 3000, "measures": {}}, **rows}, "backbone_settings": {}}


def against(low, high, words):
    return {"against_base": {"difference": (low + high) / 2, "interval": [low, high], "words": words}}
