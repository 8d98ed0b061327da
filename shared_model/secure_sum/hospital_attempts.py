"""A hospital's side of secure sums: the secrets of its attempts, in memory alone.

One ephemeral key and one seed serve one attempt, and an attempt releases once. A key is given in one of two ways:

- for a **context** that is wholly known, on its own (`key_for`);
- **ahead**, with the opening of the round before (`key_ahead`): parameters and broadcast weights of the next round follow from
  what is being opened, so the key is signed over the context without them (`ahead_of`). The first release that fits binds
  the key to one whole context, and it serves no other.

Masks are derived with the whole context in either way, so hospitals that were shown different parameters or weights do not
cancel. An attempt's number is given to one key only, ahead or not; a newer key takes the place of an older one. A restart
of the program forgets all of them: nothing is ever masked twice with one stream.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared_model.secure_sum.federation_messages import Context, KeysReply
from shared_model.secure_sum.signatures import ahead_of, sign_key
from site_config.problems import privacy

KEPT = 64
Asked = TypeVar("Asked")
Key = tuple[str, str, int, str, str]


@dataclass
class SiteAttempt(Generic[Asked]):
    """The secrets and the progress of the newest attempt at one value; `ahead`: its key was given before its context was known."""

    context: Context
    sites: tuple[str, ...]
    private: X25519PrivateKey
    seed: bytes
    reply: KeysReply
    ahead: bool = False
    ask: Asked | None = None
    hash: str | None = None
    entry: int = 0
    opened_with: Mapping[str, str] | None = None


class SiteAttempts(Generic[Asked]):
    """The newest attempts of one hospital, at most `KEPT`. `entropy(n)` gives n random bytes; ATTEMPT_SPENT for whatever is over."""

    def __init__(self, signing_key: Ed25519PrivateKey, entropy: Callable[[int], bytes]) -> None:
        self._key, self._entropy = signing_key, entropy
        self._known: OrderedDict[Key, SiteAttempt[Asked]] = OrderedDict()

    def key_for(self, context: Context, sites: tuple[str, ...]) -> KeysReply:
        """A key for a whole context; the same answer while the attempt is unused."""
        before = self._known.get(_key(context))
        ahead = self._known.get(_key(ahead_of(context)))
        for other in (before, ahead):
            if other is None or context.attempt > other.context.attempt:
                continue
            if other.context != context or other.ahead:
                raise privacy.ATTEMPT_SPENT.problem(f"attempt {context.attempt} came after {other.context.attempt}, or is another")
            if other.hash is not None:
                raise privacy.ATTEMPT_SPENT.problem(f"the keys of attempt {context.attempt} were used")
            return other.reply
        if ahead is not None:
            del self._known[_key(ahead.context)]
        return self._new(context, sites, ahead=False)

    def key_ahead(self, context: Context, sites: tuple[str, ...]) -> KeysReply:
        """A key for a context (`ahead_of`) whose parameters and broadcast state are yet to come."""
        if context != ahead_of(context):
            raise privacy.CONTEXT_MISMATCH.problem("a key ahead is for no parameters and no broadcast state yet")
        newest = max((one.context.attempt for one in self._known.values() if ahead_of(one.context) == _as(context, one)), default=-1)
        if context.attempt <= newest:
            raise privacy.ATTEMPT_SPENT.problem(f"attempt {context.attempt} came after {newest}")
        return self._new(context, sites, ahead=True)

    def of(self, context: Context) -> SiteAttempt[Asked]:
        """The attempt of a whole context."""
        found = self._known.get(_key(context))
        if found is None or found.context != context:
            raise privacy.ATTEMPT_SPENT.problem("no keys were given for this context, or they are gone")
        return found

    def to_release(self, context: Context) -> SiteAttempt[Asked]:
        """The attempt of a whole context that is about to release; binds a key that was given ahead to it."""
        early = ahead_of(context)
        found = self._known.get(_key(early))
        if found is not None and found.ahead and found.context == early:
            del self._known[_key(early)]
            found.context = context
            self._remember(found)
        return self.of(context)

    def forget(self, study: str) -> None:
        """Drop the keys and seeds of a study; what was not opened stays closed for ever."""
        for key in [key for key in self._known if key[0] == study]:
            del self._known[key]

    def _new(self, context: Context, sites: tuple[str, ...], *, ahead: bool) -> KeysReply:
        private = X25519PrivateKey.from_private_bytes(self._entropy(32))
        reply = sign_key(context, private.public_key().public_bytes_raw(), self._key, ahead=ahead)
        self._remember(SiteAttempt(context, tuple(sorted(sites)), private, self._entropy(32), reply, ahead))
        return reply

    def _remember(self, attempt: SiteAttempt[Asked]) -> None:
        key = _key(attempt.context)
        self._known[key] = attempt
        self._known.move_to_end(key)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)


def _key(context: Context) -> Key:
    return (context.study, context.phase, context.round, context.statistic, context.parameters)


def _as(context: Context, other: SiteAttempt[Asked]) -> Context:
    """A context ahead with another one's attempt and roster: equal to its own exactly where both are of one turn."""
    return context.model_copy(update={"attempt": other.context.attempt, "roster": other.context.roster})
