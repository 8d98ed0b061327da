"""Fetching a model from a server: resumed where it broke, bounded, only what was asked for; then it is a model that segments."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from client.commands import models
from client.segmentation import fetch_model as module
from client.segmentation.fetch_model import fetch
from client.segmentation.published_models import PACKS
from site_config.problems.base import Exit, Problem
from tests.client.segmentation.test_published_models import archive
from tests.support import app_of, run_cli

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A web server of one file; it breaks the first answers off after `breaks` bytes each, and notes what was asked of it."""

    content: bytes = CONTENT
    tag: str = '"one"'
    breaks: list[int] = field(default_factory=list)
    status: int | None = None
    stated_length: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.ranges.append(asked)
        if self.status is not None:
            handler.send_error(self.status)
            return
        first = 0
        if asked and handler.headers.get("If-Range") == self.tag:
            first = int(asked.removeprefix("bytes=").split("-")[0])
        if first >= len(self.content) > 0:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.end_headers()
            return
        rest = self.content[first:]
        handler.send_response(206 if first else 200)
        if first:
            handler.send_header("Content-Range", f"bytes {first}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("ETag", self.tag)
        handler.send_header("Content-Length", str(self.stated_length or len(rest)))
        handler.end_headers()
        handler.wfile.write(rest[: self.breaks.pop(0)] if self.breaks else rest)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port of this machine."""
    one = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    one.url = f"http://127.0.0.1:{served.server_address[1]}/model.zip"
    yield one
    served.shutdown()
    served.server_close()
    thread.join()


def test_it_goes_on_where_the_connection_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = [300_000, 200_000]
    waited: list[float] = []
    got = fetch(server.url, tmp_path, waited.append, SHA256)
    assert got.path.read_bytes() == CONTENT and got.sha256 == SHA256
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"] and waited == [2.0, 5.0]
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]


def test_a_later_run_goes_on_and_another_version_begins_anew(server: Server, tmp_path: Path) -> None:
    server.breaks = [100_000] * module.ATTEMPTS
    with pytest.raises(Problem) as caught:
        fetch(server.url, tmp_path, lambda _: None, SHA256)
    assert caught.value.code == "FH-370" and (tmp_path / "model.zip.part").stat().st_size == 100_000 * module.ATTEMPTS
    server.content, server.tag = CONTENT[::-1], '"two"'
    got = fetch(server.url, tmp_path, lambda _: None, hashlib.sha256(server.content).hexdigest())
    assert got.path.read_bytes() == server.content and server.ranges[-1] == f"bytes={100_000 * module.ATTEMPTS}-"


def test_everything_had_arrived_before_it_was_stopped(server: Server, tmp_path: Path) -> None:
    (tmp_path / "model.zip.part").write_bytes(CONTENT)
    (tmp_path / "model.zip.part.json").write_text(json.dumps({"url": server.url, "tag": server.tag}))
    assert fetch(server.url, tmp_path, lambda _: None, SHA256).path.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_another_file_than_expected_is_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        fetch(server.url, tmp_path, lambda _: None, "0" * 64)
    assert caught.value.code == "FH-371" and SHA256 in caught.value.what and not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [module.MOST_BYTES + 1, 2**62])
def test_what_is_too_large_is_not_begun(server: Server, tmp_path: Path, length: int) -> None:
    server.stated_length = length
    with pytest.raises(Problem) as caught:
        fetch(server.url, tmp_path, lambda _: None, SHA256)
    assert caught.value.code == "FH-370" and "larger" in caught.value.what


def test_a_file_larger_than_stated_stops(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_check_room", lambda *_: None)
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(Problem) as caught:
        fetch(server.url, tmp_path, lambda _: None, SHA256)
    assert caught.value.code == "FH-370"


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_refuses(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(Problem) as caught:
        fetch(server.url, tmp_path, lambda _: None, SHA256)
    assert caught.value.code == "FH-370" and len(server.ranges) == (1 if status == 404 else module.ATTEMPTS)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/model.zip", "ftp://127.0.0.1/model.zip", "file:///etc/passwd"])
def test_only_encrypted_addresses_without_a_checksum(tmp_path: Path, url: str) -> None:
    with pytest.raises(Problem) as caught:
        fetch(url, tmp_path, lambda _: None)
    assert caught.value.code == "FH-370" and "checksum" in caught.value.what


def test_the_command_fetches_verifies_unpacks_and_prints_the_entry(server: Server, tmp_path: Path) -> None:
    pack = PACKS["lung-nodules"]
    server.content = archive(tmp_path / "made.zip", pack).read_bytes()
    server.breaks = [5_000]
    (tmp_path / "site.yaml").write_text("site: lab\n")
    expected = hashlib.sha256(server.content).hexdigest()
    app = app_of(models.register)
    add = ("models", "add", pack.name, "--home", tmp_path, "--fetch", "--url", server.url, "--sha256", expected)
    made = run_cli(app, *add, "--json")
    assert made.status == 0, made.err
    assert made.data["archive_sha256"] == expected and set(made.data["sha256"]) == {
        "dataset.json",
        "plans.json",
        "fold_0/checkpoint_final.pth",
    }
    assert (tmp_path / "models" / pack.name / "plans.json").exists() and not list(tmp_path.glob("models/fetched/*"))
    told = run_cli(app, "models", "add", pack.name, "--home", tmp_path)
    assert told.status == Exit.CONFIGURATION and "--fetch" in told.err and "--from" in told.err
