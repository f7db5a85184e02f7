"""The issuer's keys as this process has them: fetched behind the scenes, kept while the issuer is away.

No request waits for the issuer, with one exception: a key that is not known, or no longer fits, is asked for at once. That costs the
issuer one question per `spacing` however many tokens name keys that do not exist, and whoever shows them a place here for `patience` of
each question at most, however long the issuer takes to answer it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Protocol

import structlog

from workload.access.keys import Algorithm, IssuerKey, UnusableKeys, read_keys
from workload.access.refusal import AccessRefused, Kind

log = structlog.get_logger()


class CannotFetch(Exception):
    """The issuer gave no keys in time; the message says what was seen."""


class Shelf(Protocol):
    """Keeps the last document for a process that starts while the issuer is away."""

    def load(self) -> tuple[bytes, timedelta] | None:
        """The document and its age; None when there is none that could be read."""

    def save(self, document: bytes) -> None:
        """Keep it. Raises OSError."""


class Ring:
    """Keys by their ids."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        *,
        algorithms: Collection[Algorithm],
        longest_age: timedelta,
        spacing: timedelta,
        monotonic: Callable[[], float],
        patience: timedelta,
        shelf: Shelf | None = None,
    ) -> None:
        """`fetch` has a deadline of its own and raises CannotFetch. `longest_age`: how long keys are believed that nobody confirmed.
        `patience`: how long requests wait for a question, counted from when it was asked."""
        self._fetch = fetch
        self._algorithms = frozenset(algorithms)
        self._longest_age = longest_age
        self._spacing = spacing.total_seconds()
        self._monotonic = monotonic
        self._shelf = shelf
        self._patience = patience.total_seconds()
        self._keys: dict[str, IssuerKey] = {}
        self._confirmed_at: float | None = None
        self._asked_at: float | None = None
        self._went_well = False
        """Did the last question that ended bring keys?"""
        self._asking: asyncio.Task[bool] | None = None
        self._take_from_shelf()

    @property
    def age(self) -> timedelta | None:
        """Since the issuer last gave these keys; None: there are none."""
        return None if self._confirmed_at is None else timedelta(seconds=self._monotonic() - self._confirmed_at)

    def find(self, kid: str) -> IssuerKey | None:
        """The key of this id, or None. Raises AccessRefused when this process has no keys that it may believe."""
        age = self.age
        if age is None:
            raise AccessRefused(Kind.KEYS_UNKNOWN, "the issuer's keys could not be fetched yet")
        if age > self._longest_age:
            limit = self._longest_age.total_seconds()
            raise AccessRefused(
                Kind.KEYS_UNKNOWN, f"the issuer's keys are {age.total_seconds():.0f} s old, the limit is {limit:.0f} s"
            )
        return self._keys.get(kid)

    async def refetch(self) -> bool:
        """Ask the issuer now, unless it was asked within `spacing`. Whoever comes meanwhile shares the question; never raises.

        False: it gave no keys, or not within `patience`, and which keys it has nobody knows.
        """
        if self._asking is None:
            if self._asked_at is not None and self._monotonic() - self._asked_at < self._spacing:
                return self._went_well
            self._begin()
        assert self._asking is not None and self._asked_at is not None
        # It goes on whoever hangs up or loses patience: the others want its answer, and so does the next one.
        left = self._asked_at + self._patience - self._monotonic()
        answered, _ = await asyncio.wait([self._asking], timeout=max(left, 0.0))
        return bool(answered) and self._went_well

    async def keep(
        self,
        refresh: timedelta,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Ask every `refresh`, and after a failure every `spacing`, for ever; up to a tenth earlier, so that no fleet asks at once."""
        try:
            while True:
                if self._asking is None:
                    self._begin()
                assert self._asking is not None
                fetched = await asyncio.shield(self._asking)
                seconds = refresh.total_seconds() if fetched else self._spacing
                await pause(seconds * (1 - jitter() / 10))
        finally:
            if self._asking is not None:
                self._asking.cancel()

    def _begin(self) -> None:
        self._asked_at = self._monotonic()
        self._asking = asyncio.create_task(self._ask())
        self._asking.add_done_callback(self._end)

    def _end(self, asked: "asyncio.Task[bool]") -> None:
        self._asking = None
        self._went_well = not asked.cancelled() and asked.exception() is None and asked.result()

    async def _ask(self) -> bool:
        try:
            document = await self._fetch()
            self._keys = dict(read_keys(document, self._algorithms))
        except (CannotFetch, UnusableKeys) as error:
            log.warning("keys-not-fetched", error=str(error), known=len(self._keys))
            return False
        self._confirmed_at = self._monotonic()
        if self._shelf is not None:
            try:
                await asyncio.to_thread(self._shelf.save, document)
            except OSError as error:
                # A full disk must not cost what was fetched; it costs the next start, if the issuer is away by then.
                log.warning("keys-not-kept", error=error.strerror)
        return True

    def _take_from_shelf(self) -> None:
        found = self._shelf.load() if self._shelf is not None else None
        if found is None:
            return
        document, age = found
        try:
            self._keys = dict(read_keys(document, self._algorithms))
        except UnusableKeys as error:
            log.warning("kept-keys-unusable", error=str(error))
            return
        self._confirmed_at = self._monotonic() - age.total_seconds()
