from __future__ import annotations

from site_config import words_of_messages


def test_a_choice_names_the_nearest_and_all() -> None:
    assert words_of_messages.choice("tinny", ("demo", "tiny")) == "Did you mean `tiny`? Choose from demo, tiny."
    assert words_of_messages.choice("xyz", ("demo", "tiny")) == "Choose from demo, tiny."


def test_one_is_not_many() -> None:
    assert [words_of_messages.plural(n, "site") for n in (0, 1, 2, 1000)] == ["0 sites", "1 site", "2 sites", "1,000 sites"]
    assert words_of_messages.plural(2, "study", "studies") == "2 studies"
    assert [words_of_messages.plural(2, one) for one in ("graft loss", "biopsy", "relapse", "day")] == [
        "2 graft losses",
        "2 biopsies",
        "2 relapses",
        "2 days",
    ]
