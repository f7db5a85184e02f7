"""Whoever is told as a running part of a lab, and how controllers come to know them. They are outside of every site: no fault reaches them.

A lab has nobody on call unless it is asked for: what is told is written into the journal, and most runs are about other things.
"""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from lab.addresses import LOCAL
from lab.authorities import await_ready
from lab.errors import LabError
from lab.faults import Fault
from lab.laboratory import Laboratory
from lab.lines import DamagedError
from lab.oncall_record import Line, read_oncall_record
from lab.processes import Supervised, launch_module
from lab.receiver_settings import new_secret
from lab.site import CONTROLLER, Site
from lab.workspace import Workspace

EVERY = 1.0
"""Seconds between two pings of one controller; in production half a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OncallProcess:
    """It, its record, and what controllers have to be told to reach it."""

    process: Supervised
    record: Path
    port: int
    secret: str = field(repr=False)
    routing_key: str = field(repr=False)
    word: str = field(repr=False)

    def lines(self) -> tuple[Line, ...]:
        """What has arrived so far, in order. Raises LabError when the record cannot be relied on."""
        try:
            return tuple(read_oncall_record(self.record))
        except DamagedError as error:
            raise LabError(f"the record of who is on call is damaged: {error}") from error

    def hand_out(self, site: Site) -> None:
        """Have the site's controller tell them from its next start on."""
        base = f"http://{LOCAL}:{self.port}"
        words = {
            "oncall-hook.url": f"{base}/webhook",
            "oncall-hook.secret": self.secret,
            "oncall-pager.url": f"{base}/v2/enqueue",
            "oncall-pager.key": self.routing_key,
            "oncall-chat.url": f"{base}/services/{self.word}",
            "oncall-ping.url": f"{base}/ping/{self.word}",
        }
        for name, text in words.items():
            _write_private(site.settings / name, text)
        site.amend(CONTROLLER, NOTIFY)


NOTIFY = f"""
[[notify]]
name = "hook"
kind = "webhook"
url_file = "oncall-hook.url"
secret_file = "oncall-hook.secret"

[[notify]]
name = "pager"
kind = "pagerduty"
url_file = "oncall-pager.url"
secret_file = "oncall-pager.key"

[[notify]]
name = "chat"
kind = "slack"
url_file = "oncall-chat.url"

[heartbeat]
url_file = "oncall-ping.url"
every = "{EVERY:g}s"
"""


async def start_oncall(workspace: Workspace, grace: float) -> OncallProcess:
    """Returns once somebody listens. `grace`: seconds without a ping until the alarm. Raises LabError when nobody does."""
    place, port = workspace.directory("oncall"), workspace.port()
    record, path = place / "told.jsonl", place / "oncall.json"
    secret, key, word = new_secret(), secrets.token_hex(16), secrets.token_hex(16)
    settings = {"port": port, "record": str(record), "secret": secret, "routing_key": key, "word": word, "grace": grace}
    _write_private(path, json.dumps(settings))
    process = launch_module(workspace, "oncall", "lab.oncall", "--settings", path)
    await await_ready(process)
    return OncallProcess(process=process, record=record, port=port, secret=secret, routing_key=key, word=word)


async def put_on_call(lab: Laboratory, grace: float = 6.0) -> OncallProcess:
    """Start it, and every controller anew with settings that name it, one after the other."""
    oncall = await start_oncall(lab.workspace, grace)
    for name, site in lab.sites.items():
        oncall.hand_out(site)
        await lab.faults.inject(Fault.CONTROLLER, name)
        await lab.faults.heal(name)
    return oncall


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
