"""Behind TLS: a recorded federation sends nothing that was planted in its hospitals; what is leaked on purpose is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.capture.canaries import LEAK, MARK, UID_MARK
from evidence.capture.compare_recordings import compare
from evidence.capture.find_planted_strings import CaptureScanner
from evidence.capture.recorded_studies import Capture, Made, make, record, tables
from evidence.capture.recorder import joined
from evidence.capture.traffic import contents, replies

pytest.importorskip("grpc_health")
FAILING, LEAKING = 0, 2


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Made, Capture]]:
    made = make(tmp_path_factory.mktemp("capture") / "run", tables(), LEAKING)
    names = made.lock.names("development")
    yield made, record(made, {names[FAILING]: "failing", names[LEAKING]: "leaking"}, canary=True)


def test_the_recorder_sees_what_is_sent(captured: tuple[Made, Capture]) -> None:
    made, capture = captured
    for name in capture.sent:
        assert any(made.lock.study_id.encode() in data for data in joined(capture.received[name]))
        kinds = [reply.kind for reply in replies(capture.sent[name], contents(capture.sent.values()))]
        assert kinds[0] == "admission" and {"keys", "release", "open"} <= set(kinds)


def test_failures_leave_as_one_code(captured: tuple[Made, Capture]) -> None:
    made, capture = captured
    failing = made.lock.names("development")[FAILING]
    codes = [entry.missing[failing] for entry in capture.result.ledger if failing in entry.missing]
    assert codes == ["FH-501", "FH-501", "FH-703", "FH-501"]


def test_nothing_planted_is_sent_or_kept(captured: tuple[Made, Capture]) -> None:
    made, capture = captured
    leaking = made.lock.names("development")[LEAKING]
    secrets = [secret for name, one in made.planted.items() if name != leaking for secret in one.secrets]
    scanner = CaptureScanner([MARK, UID_MARK], secrets)
    found = [hit for name in capture.sent for data in joined(capture.sent[name]) for hit in scanner.search(name, data)]
    assert found == []
    assert scanner.folder(made.homes.coordinator)[0] == []


def test_what_is_leaked_on_purpose_is_found(captured: tuple[Made, Capture]) -> None:
    made, capture = captured
    scanner = CaptureScanner([LEAK])
    leaking = made.lock.names("development")[LEAKING]
    hits = [hit for data in joined(capture.sent[leaking]) for hit in scanner.search(leaking, data)]
    assert {(f"{LEAK} plain", ""), (f"{LEAK} plain", "base64 zlib"), (f"{LEAK} utf-16-le", "hex")} <= {
        (hit.form, hit.through) for hit in hits
    }
    told = [entry.missing[leaking] for entry in capture.result.ledger if leaking in entry.missing]
    assert "FH-705" in told, "the coordinator keeps no text of a refusal that is no problem code"
    known = CaptureScanner([leaking]).folder(made.homes.coordinator)[0]
    assert f"studies/{made.lock.study_id}/canary/ledger.jsonl" in {hit.where for hit in known}


def test_a_difference_of_one_byte_is_seen(captured: tuple[Made, Capture]) -> None:
    made, capture = captured
    same = compare(capture.sent, capture.sent)
    assert same.differences == () and same.replies > 20
    failing = made.lock.names("development")[FAILING]
    changed = {**capture.sent, failing: [(number, data.replace(b'"FH-501"', b'"FH-502"')) for number, data in capture.sent[failing]]}
    assert [text for text in compare(capture.sent, changed).differences if text.startswith(failing) and "FH-502" in text]
    beating = {**capture.sent, failing: [(number, data.replace(b"keep-alive", b"keep-alivE")) for number, data in capture.sent[failing]]}
    assert f"{failing} send-node-heartbeat" in compare(capture.sent, beating).differences


def test_the_scanner_sees_through_every_wrapping(tmp_path: Path) -> None:
    import base64
    import gzip
    import hashlib
    import zlib

    scanner = CaptureScanner([MARK], ["patient-1"])
    text = f"of {MARK} here".encode()
    wrapped = {
        "upper case": text.upper(),
        "wide": text.decode().encode("utf-16-be"),
        "hex": text.hex().upper().encode(),
        "base64": base64.b64encode(b"ab" + text),
        "url base64": base64.urlsafe_b64encode(b"a" + text),
        "gzip": b"\x01\x02" + gzip.compress(text),
        "zlib in base64 in hex": base64.b64encode(zlib.compress(text)).hex().encode(),
        "digest": b"\0" + hashlib.sha256(b"patient-1").digest(),
        "digest, hex": hashlib.md5(b"patient-1", usedforsecurity=False).hexdigest().encode(),
    }
    packer = zlib.compressobj(wbits=-15)
    wrapped["deflate"] = packer.compress(text * 9) + packer.flush()
    assert [name for name, data in wrapped.items() if not scanner.search(name, b"x" + data if name != "deflate" else data)] == []
    assert scanner.search("nothing", b"of a canary here" * 100) == []
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(text)
    assert [hit.where for hit in scanner.folder(tmp_path)[0]] == ["sub/file"]
