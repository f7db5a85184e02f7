"""`lab up`: a lab that stays until somebody ends it."""

import asyncio
import json
import time

from controller.cli.exits import Exit
from lab.errors import LabError
from lab.laboratory import FOREIGN, laboratory
from lab.offering import offer
from lab.office import opened
from lab.screen import Screen, exit_of


async def keep_up(name: str, rate: float, *, as_json: bool) -> Exit:
    """Keep a lab up. 2 when PostgreSQL or etcd is missing, 3 when a lab of this name runs, 1 when it cannot be started or kept.

    With `as_json` one document on standard output says where everything is, as soon as it is up.
    """
    screen, down = Screen(), asyncio.Event()
    began = time.monotonic()
    try:
        with screen.working():
            async with laboratory(name, say=screen.say) as lab:
                load = await offer(lab, f"up-{time.time_ns()}", rate=rate) if rate > 0 else None
                async with opened(lab, down, load) as context:
                    took = time.monotonic() - began
                    screen.say(
                        f"up after {took:.1f} s; try `trimaran status`, `trimaran lab fault crash azure`, `trimaran lab ask`"
                    )
                    screen.say(f"operator context: {context}; Ctrl-C or `trimaran lab down` ends everything")
                    if as_json:
                        up = {
                            "name": name,
                            "context": str(context),
                            "controllers": dict(lab.controllers()),
                            "took_s": round(took, 1),
                        }
                        print(json.dumps(up), flush=True)
                    await down.wait()
                    screen.say("taking the lab down")
    except LabError as error:
        screen.complain(str(error))
        return exit_of(error)
    except FOREIGN as error:
        screen.complain(f"the lab failed: {screen.last}: {error!r}")
        return Exit.BROKEN
    return Exit.DONE
