"""Fetching a published model's archive: only when a person asks, bounded, and resumed where an earlier attempt ended.

The part that has arrived lies in `NAME.part`, beside it what the server called that version of the file; a later attempt asks
for the rest of exactly that version and begins anew where the server has another. Nothing is unpacked here.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from site_config.atomic_files import access_problem, make_folder, read_json, write_json
from site_config.problems import segmentation as problems
from site_config.problems.base import Problem

MOST_BYTES = 4 * 2**30
CHUNK = 2**20
TIMEOUT_S = 30.0
ATTEMPTS = 5
WAITS_S = (2.0, 5.0, 15.0, 30.0)
FAILURES = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)
Progress = Callable[[int, int | None], None]
Wait = Callable[[float], None]


@dataclass(frozen=True)
class Fetched:
    """The archive, and the SHA-256 of its bytes, hex."""

    path: Path
    sha256: str


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Redirects are followed to HTTPS only, once the first address was; makers' pages redirect to their store."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows; FH-370 for an address without encryption."""
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise problems.PACK_FETCH_FAILED.problem("the server redirects to an address without encryption")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, folder: Path, wait: Wait, sha256: str | None = None, progress: Progress | None = None) -> Fetched:
    """Fetch `url` into `folder`, going on where an earlier attempt stopped; `sha256` is what the archive must have.

    `progress(bytes, all)` is called after each piece. A plain `http` address is taken only with a checksum. Raises FH-370 where
    the network or the server fails or the file is larger than 4 GiB, FH-371 for another checksum, and access problems.
    """
    _check_address(url, sha256)
    name = Path(urlsplit(url).path).name or "model.zip"
    part = make_folder(folder) / f"{name}.part"
    for attempt in range(ATTEMPTS):
        try:
            _attempt(url, part, progress)
            break
        except FAILURES as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise _failed(f"the server answers {error.code}") from None
            if attempt == ATTEMPTS - 1:
                raise _failed("the connection failed") from None
            wait(WAITS_S[min(attempt, len(WAITS_S) - 1)])
        except OSError as error:
            raise access_problem(error, "the folder for fetched models") from None
    try:
        found = checked(part, sha256)
    except Problem:
        _forget(part)
        raise
    whole = part.with_name(name)
    part.replace(whole)
    _version(part).unlink(missing_ok=True)
    return Fetched(whole, found)


def checked(archive: Path, sha256: str | None) -> str:
    """An archive's SHA-256, hex. Raises FH-371 where it is not `sha256`, and access problems."""
    try:
        with archive.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise access_problem(error, "the model's archive") from None
    if sha256 is not None and found != sha256.lower():
        raise problems.PACK_OTHER_FILE.problem(f"the archive has the SHA-256 {found}")
    return found


def _check_address(url: str, sha256: str | None) -> None:
    scheme = urlsplit(url).scheme
    if scheme != "https" and (scheme != "http" or sha256 is None):
        fix = "Give an address that begins with https://, or one with http:// and the archive's checksum: `--sha256 HEX`."
        raise problems.PACK_FETCH_FAILED.problem("the address is not encrypted and no checksum was given", fix=fix)


def _failed(why: str) -> Problem:
    return problems.PACK_FETCH_FAILED.problem(why)


def _version(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, progress: Progress | None) -> None:
    """Ask for what is missing and append it. Raises what the network raises."""
    have = part.stat().st_size if part.exists() else 0
    known = read_json(_version(part), "what was fetched so far") if have and _version(part).exists() else {}
    tag = known.get("tag") if known.get("url") == url else None
    if have and tag is None:
        _forget(part)
        have = 0
    headers = {"User-Agent": "fedhcc-site", "Accept-Encoding": "identity"}
    if have and tag is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the scheme was checked)
    try:
        answer = urllib.request.build_opener(_OnlyHttps).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return  # everything had arrived
        _forget(part)
        raise ConnectionError from None
    with answer:
        goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if goes_on else 0
        length = answer.headers.get("Content-Length")
        everything = have + int(length) if length is not None and length.isdigit() else None
        _check_room(everything, have, part.parent)
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        weak = tag is not None and tag.startswith("W/")
        write_json(_version(part), {"url": url, "tag": None if weak else tag})
        with part.open("ab" if goes_on else "wb") as stream:
            while piece := answer.read(CHUNK):
                have += len(piece)
                if have > MOST_BYTES:
                    raise _failed("the file is larger than 4 GiB")
                stream.write(piece)
                if progress is not None:
                    progress(have, everything)
    if everything is not None and have < everything:
        raise ConnectionError


def _check_room(everything: int | None, have: int, folder: Path) -> None:
    """Refuse what is too large, before it is fetched."""
    if everything is None:
        return
    if everything > MOST_BYTES:
        raise _failed("the file is larger than 4 GiB")
    if shutil.disk_usage(folder).free < 3 * everything - have:  # the archive, and what is unpacked from it
        raise problems.PACK_FETCH_FAILED.problem(
            f"the disk has no room for {everything / 2**20:.0f} MiB and what is unpacked from them",
            fix="Free some space, then run it again.",
        )
