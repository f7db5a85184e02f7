"""The payments service with its barrier taken out: what negative proofs run to show that payments are then lost.

Lives among the tests, and nowhere else, because an acknowledgement without a copy in another cloud must not be a setting.
"""

import os
import sys
from datetime import timedelta

import structlog

from workload.durable.evidence import Evidence
from workload.durable.lanes import Durability
from workload.payments.__main__ import main


class Unbarriered:
    """A Durability that promises everything and checks nothing."""

    def __init__(self, durability: Durability) -> None:
        off = type(durability).__name__
        structlog.get_logger().critical("THE BARRIER IS OFF: acknowledged payments will be lost", off=off)

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        """Lies."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Unbarriered))
