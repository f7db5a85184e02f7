"""`lab up`: a lab that stays until somebody ends it."""

import asyncio
import time

from controller.cli.exits import Exit
from lab.errors import LabError
from lab.laboratory import NothingInstalledError, laboratory
from lab.offering import offer
from lab.office import opened
from lab.screen import Screen


async def keep_up(name: str, rate: float) -> Exit:
    """Keep a lab up. 2 when PostgreSQL or etcd is missing, 3 when a lab of this name runs, 1 when it cannot be started."""
    screen, down = Screen(), asyncio.Event()
    began = time.monotonic()
    try:
        with screen.working():
            async with laboratory(name, say=screen.say) as lab:
                load = await offer(lab, f"up-{time.time_ns()}", rate=rate) if rate > 0 else None
                async with opened(lab, down, load) as context:
                    screen.say(
                        f"up after {time.monotonic() - began:.1f} s; try `trimaran status`, `trimaran lab fault crash azure`"
                    )
                    screen.say(f"operator context: {context}; Ctrl-C or `trimaran lab down` ends everything")
                    await down.wait()
                    screen.say("taking the lab down")
    except NothingInstalledError as error:
        screen.complain(str(error))
        return Exit.USAGE
    except LabError as error:
        screen.complain(str(error))
        return Exit.REFUSED if "already running" in str(error) else Exit.BROKEN
    return Exit.DONE
