"""Numbers of files that leave have the digits a paper prints."""

from __future__ import annotations

from server.report.printed_digits import printed


def test_four_digits_and_whole_numbers_stay() -> None:
    data = {
        "mean": 61.234567890123456,
        "n": 207,
        "p": 1.23456e-7,
        "c": [0.69423484, None, "x"],
        "days": 12345.678,
        "nan": float("inf"),
        "yes": True,
    }
    found = printed(data)
    assert found == {"mean": 61.23, "n": 207, "p": 1.235e-07, "c": [0.6942, None, "x"], "days": 12346.0, "nan": float("inf"), "yes": True}
    assert isinstance(found["n"], int) and found["yes"] is True
