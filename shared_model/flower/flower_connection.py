"""Flower's HTTP client with lists of calls, and with a proxy only where one belongs.

Flower's own client takes a proxy from the environment for every address. A call to this very machine never takes one, and a
proxy is used for others as `HTTPS_PROXY` and `NO_PROXY` say: by CONNECT, so that it sees names and sizes but not content.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from flwr.supercore.protobuf.client import ProtobufClient, ProtobufClientInterceptor, ProtobufRequestContext
from flwr.supercore.retry import RetryInvoker

from shared_model.flower.several_calls import WAIT_HEADER, Call, join_calls, split_replies
from site_config.health.proxy_question import checked

TIMEOUT_S = 30.0
LINE_S = 10.0
"""Seconds beyond those waited for at the SuperLink after which an answer is missing."""


def proxy_for(url: str) -> str | None:
    """The proxy for an address, from the environment; None for this machine and for what `NO_PROXY` names. FH-724 where it is none.

    >>> proxy_for("https://127.0.0.1:8000") is None
    True
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or _is_loopback(host):
        return None
    found = getproxies()
    address = found.get(parts.scheme) or found.get("all")
    if not address or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    return checked(address)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Connection(ProtobufClient):  # type: ignore[misc]
    """A connection to the coordinator that keeps Flower's interceptors: versions, and who is speaking."""

    def __init__(
        self,
        base_url: str,
        *,
        interceptors: Sequence[ProtobufClientInterceptor] = (),
        verify: ssl.SSLContext | bool | str = True,
        timeout: float = TIMEOUT_S,
        retry_invoker: RetryInvoker | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._interceptors = tuple(interceptors)
        self._retry_invoker = retry_invoker
        self._client = httpx.Client(verify=verify, timeout=timeout, trust_env=False, proxy=proxy_for(base_url))

    def ask(self, path: str, calls: Iterable[Call], wait_s: float = 0.0) -> list[bytes]:
        """The replies to a list of calls; `httpx.HTTPStatusError` with the status of the first that failed.

        `wait_s`: seconds for which the SuperLink may wait for something to hand over.
        """
        content = join_calls(calls)

        def send() -> httpx.Response:
            request = self._client.build_request(
                "POST",
                f"{self._base_url}{path}",
                content=content,
                headers={"content-type": "application/octet-stream", WAIT_HEADER: f"{wait_s:.1f}"},
                timeout=httpx.Timeout(TIMEOUT_S, read=max(TIMEOUT_S, wait_s + LINE_S)) if wait_s else self._client.timeout,
            )
            response: httpx.Response = self._send(ProtobufRequestContext(rpc_method=path, message=None, request=request))
            response.raise_for_status()
            return response

        response: httpx.Response = self._retry_invoker.invoke(send) if self._retry_invoker is not None else send()
        replies = split_replies(response.content)
        for status, _ in replies:
            httpx.Response(status, request=response.request).raise_for_status()
        return [payload for _, payload in replies]
