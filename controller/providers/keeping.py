"""Short-lived credentials that are used as long as they are good, when new ones cannot be had.

Every SDK wants new ones some minutes before the old ones end. When the office that gives them hangs, those minutes are all that a
controller has left to steer with.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger()

LEAVE_IN_PEACE = timedelta(seconds=30)
"""After a try that failed: each of them costs the call that makes it its deadline."""
SPARE = timedelta(seconds=10)
"""Before their end credentials are no longer shown: a request takes its time."""


class Keeping:
    """When to ask for new credentials, and whether the old ones do. Shared by the threads of all calls."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now, self._lock = now, threading.Lock()
        self._failed: datetime | None = None

    def renew(self, fetch: Callable[[], None], ends: datetime | None) -> None:
        """Call `fetch`, unless the credentials held are good until `ends` (None: there are none) and a try has failed a moment ago.
        Raises what `fetch` raises when they are not."""
        now = self._now()
        good = ends is not None and now < ends - SPARE
        with self._lock:
            if good and self._failed is not None and now - self._failed < LEAVE_IN_PEACE:
                return
        try:
            fetch()
        except Exception as error:
            if not good:
                raise
            with self._lock:
                self._failed = self._now()
            log.warning("credentials not renewed", good_until=str(ends), error=f"{type(error).__name__}: {error}")
