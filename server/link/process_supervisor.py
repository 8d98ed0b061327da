"""Who owns the coordinator's processes: one program an office, with a lock on its folder.

The lock is the kernel's: it ends with its holder, however that ends. Its file says who holds it, so that a second program can
name the first. The owner starts the SuperLink and the gateway, asks both a question every few seconds, and starts again what
ended or no longer answers, at once and then with longer and longer pauses. A program that finds an owner uses its processes,
and takes over when the owner has ended.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from server.certificate_renewal import renew_in_time
from server.link.child_process import Child, last_words, listening
from server.link.nginx_gateway import OFFICE_LOCK, Gateway
from server.link.owner_lock import held
from site_config.file_lock import Lock
from site_config.problems.base import Problem

LOOK_S, ASK_S = 0.5, 3.0
ANSWER_S, SILENT = 5.0, 3
"""Seconds for an answer, and how many in a row may be missing before a process counts as frozen."""
PAUSES_S = (0.0, 1.0, 2.0, 5.0, 15.0, 30.0)
CALM_S = 120.0
"""After so long without trouble a process is started again at once the next time."""
TAKE_OVER_S = 1.0
RENEWAL_S = 3600.0


def answers(child: Child, authority: Path, path: str) -> bool:
    """Whether a process answers a question over TLS, whatever it answers; an open port alone proves nothing."""
    try:
        context = ssl.create_default_context(cafile=str(authority))
        context.check_hostname = False
        connection = HTTPSConnection("127.0.0.1", child.port, timeout=ANSWER_S, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status > 0
        finally:
            connection.close()
    except (OSError, HTTPException):
        return False


class Keeper:
    """Starts a child again when it ended or no longer answers; `look` is one look."""

    def __init__(
        self, child: Child, ask: Callable[[], bool], tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._child, self._ask, self._tell, self._clock = child, ask, tell, clock
        self._fallen = 0
        self._silent = 0
        self._not_before = 0.0
        self._asked = self._started = clock()

    def look(self) -> None:
        """See whether the child runs and answers; start it where it does not and its pause is over."""
        moment = self._clock()
        if self._child.alive() and not self._frozen(moment):
            if self._fallen and moment - self._started > CALM_S:
                self._fallen = 0
            return
        if self._child.process is not None:
            status = self._child.process.poll()
            why = "does not answer" if status is None else f"ended (status {status})"
            self._child.kill()
            pause = PAUSES_S[min(self._fallen, len(PAUSES_S) - 1)]
            self._fallen += 1
            self._not_before = moment + pause
            self._tell(f"the {self._child.name} {why}; it is started again" + (f" in {pause:.0f} s" if pause else ""))
        if moment < self._not_before:
            return
        try:
            self._child.start()
        except Problem as problem:
            self._fallen += 1
            self._not_before = self._clock() + PAUSES_S[min(self._fallen, len(PAUSES_S) - 1)]
            self._tell(f"{problem}{last_words(self._child.log)}")
        self._asked = self._started = self._clock()
        self._silent = 0

    def _frozen(self, moment: float) -> bool:
        if moment - self._asked < ASK_S:
            return False
        self._silent = 0 if self._ask() else self._silent + 1
        self._asked = self._clock()
        return self._silent >= SILENT


class Supervisor:
    """The processes of an office, owned by this program where nobody else owns them; a context manager.

    With `alone`, another owner is an error (FH-758 names it).
    """

    def __init__(self, home: Path, tell: Callable[[str], None], *, alone: bool = False) -> None:
        self.home, self._tell, self._alone = home, tell, alone
        self._lock = Lock(home / OFFICE_LOCK)
        self._over = threading.Event()
        self._began = threading.Event()
        self._problem: Problem | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="owner")
        self.gateway: Gateway | None = None

    def __enter__(self) -> Supervisor:
        if self._alone and not self._lock.take():
            raise held(self._lock.path, "this office's SuperLink and gateway")
        self._thread.start()
        self._began.wait()
        if self._problem is not None:
            self._lock.release()
            raise self._problem
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        """Own, or wait to. Children belong to this thread: the kernel ends them when it ends."""
        try:
            if not self._alone and not self._lock.take():
                self._began.set()
                if not self._wait_to_own():
                    return
            self._own()
        except Problem as problem:
            self._problem = problem
            if self._began.is_set():
                self._tell(str(problem))
        finally:
            self._lock.release()
            self._began.set()

    def _wait_to_own(self) -> bool:
        while not self._over.wait(TAKE_OVER_S):
            if self._lock.take():
                self._tell("whoever served this office has ended; this program serves it now")
                return True
        return False

    def _own(self) -> None:
        if renew_in_time(self.home):
            self._tell("the server certificates were renewed; kits stay valid")
        gateway = self.gateway = Gateway(self.home, self._lock)
        gateway.start()
        self._began.set()
        authority = (self.home / "tls" / "ca.pem").resolve()
        keepers = [
            Keeper(child, lambda child=child, path=path: answers(child, authority, path), self._tell)  # type: ignore[misc]
            for child, path in ((gateway.superlink, "/v1/alive"), (gateway.nginx, "/"))
        ]
        renewed = time.monotonic()
        try:
            while not self._over.wait(LOOK_S):
                for keeper in keepers:
                    keeper.look()
                gateway.superlink.trim_log()
                gateway.nginx.trim_log()
                if time.monotonic() - renewed > RENEWAL_S:
                    renewed = time.monotonic()
                    if renew_in_time(self.home):
                        self._tell("the server certificates were renewed; gateway and SuperLink are started again with them")
                        gateway.nginx.kill()
                        gateway.superlink.kill()
        finally:
            gateway.stop()


def answering(home: Path) -> Callable[[int], bool]:
    """A question to whoever listens on one of the office's two ports: whether it answers; an open port alone proves nothing."""
    gateway, authority = Gateway(home), home / "tls" / "ca.pem"
    doors = {gateway.superlink.port: (gateway.superlink, "/v1/alive"), gateway.nginx.port: (gateway.nginx, "/")}

    def ask(port: int) -> bool:
        child, path = doors[port]
        return listening(port) and answers(child, authority, path)

    return ask


def link_answers(home: Path) -> dict[str, bool]:
    """Whether the SuperLink and the gateway of an office answer, by name."""
    gateway, authority = Gateway(home), home / "tls" / "ca.pem"
    return {
        gateway.superlink.name: answers(gateway.superlink, authority, "/v1/alive"),
        gateway.nginx.name: answers(gateway.nginx, authority, "/"),
    }
