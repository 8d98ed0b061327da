"""The journal in words: shared rows, opened results, sums under masks and refusals."""

from __future__ import annotations

from client.holder.holder_records import REVEALED
from client.officer.journal_in_words import told
from client.release.journal_entries import OPEN, REFUSAL, RELEASE, SHARED, OpenedMask, Refused, SharedRows
from evidence.attacks.attacked_federation import NOON
from shared_model.shares.messages.share_messages import ResultRecord
from site_config.hash_chained_journal import Journal
from tests.client.release.test_handed_over import released, value

STUDY = "ab" * 32


def test_every_kind_of_line_is_a_sentence() -> None:
    journal = Journal(None, clock=lambda: NOON)
    rows = SharedRows(
        study=STUDY, phase="clinical", roster=("a", "b", "c"), holders=("a", "b", "c"), parts={}, results=("cln.variance", "cln.score"),
        cohort="", patients=12, slots=16, bytes=9, rule="the site's own minima", hash="",
    )  # fmt: skip
    journal.append(SHARED, rows.model_dump(mode="json"))
    result = ResultRecord(name="cln.variance", shape=(2,), bits=4, units=(24, 8))
    journal.append(REVEALED, {"study": STUDY, "phase": "clinical", "attempt": 1, "result": result.model_dump(mode="json")})
    before = released(value("training", ("a", "b", "c"), {"train": frozenset({"p"})})).model_copy(update={"masked": True})
    number = journal.append(RELEASE, before.model_dump(mode="json")).number
    journal.append(OPEN, OpenedMask(context=before.context, release=number).model_dump(mode="json"))
    refused = Refused(step="rows", study=STUDY, phase="fusion", round=0, attempt=0, statistic="", code="FH-531", what="secret words")
    journal.append(REFUSAL, refused.model_dump(mode="json"))
    lines = list(told(journal))
    assert "12 patients' rows as secret shares to a, b, c for the clinical phase" in lines[0]
    assert "2 results of 3 hospitals together" in lines[0] and "the site's own minima" in lines[0]
    assert lines[1].endswith("opened in the clinical phase: cln.variance: 1.5, 0.5.")
    assert "under a mask; the sum of 3 hospitals was opened" in lines[2]
    assert "Refused (FH-531)" in lines[3] and "secret words" not in lines[3]
    assert len(list(told(journal, STUDY[:6]))) == 3
