"""The clock of a real process."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Implements `ports.Clock` with the machine's clocks."""

    def now(self) -> datetime:
        """Wall clock in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> timedelta:
        """The kernel's monotonic clock; wall clocks may jump, this one does not."""
        return timedelta(seconds=time.monotonic())

    async def sleep(self, duration: timedelta) -> None:
        """Return after `duration`."""
        await asyncio.sleep(duration.total_seconds())
