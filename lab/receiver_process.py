"""The merchants as a running part of the lab. They are outside of every site, as shops on the internet are, and no fault reaches them.

A site that is cut off from the others still reaches them directly: its dispatcher goes on sending what it has read, beside the one of the
new writer. That is the harder case for the order of events, and the one that would be seen in the field.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.authorities import await_ready
from lab.errors import LabError
from lab.lines import DamagedError
from lab.processes import Supervised, launch_module
from lab.receiver_record import Line, read_receiver_record
from lab.receiver_settings import endpoint, misbehaving, new_secret, receiver_settings, secrets_file
from lab.workspace import Workspace

MERCHANTS = 20
"""Of the lab's two hundred payers so many want to be told of what they are paid: of 100 payments a second some ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one account's webhooks go."""

    account: str
    url: str
    secret: str
    """Its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Every merchant of the lab, in one process."""

    process: Supervised
    record: Path
    endpoints: tuple[Endpoint, ...]
    secrets: Mapping[str, tuple[str, ...]] = field(repr=False)
    """By name; the dispatchers' side of them."""

    def hand_out(self, path: Path) -> None:
        """Write the secrets down for the dispatcher of one site, where only this user may read them."""
        _write_private(path, secrets_file(self.secrets))

    def lines(self) -> tuple[Line, ...]:
        """What has arrived so far, in order. Raises LabError when the record cannot be relied on."""
        try:
            return tuple(read_receiver_record(self.record))
        except DamagedError as error:
            raise LabError(f"the merchants' record is damaged: {error}") from error


async def start_receiver(workspace: Workspace, accounts: Sequence[str]) -> Receiver:
    """Returns once the merchants listen. Raises LabError when they do not.

    Each account has a secret of its own: what is signed for one merchant must not verify at another.
    """
    secrets = {account: (new_secret(),) for account in accounts}
    place, port = workspace.directory("merchants"), workspace.port()
    record, settings = place / "received.jsonl", place / "receiver.json"
    _write_private(settings, receiver_settings(port, record, secrets, misbehaving(accounts)))
    process = launch_module(workspace, "merchants", "lab.receiver", "--settings", settings)
    await await_ready(process)
    endpoints = tuple(Endpoint(account=account, url=endpoint(port, account), secret=account) for account in accounts)
    return Receiver(process=process, record=record, endpoints=endpoints, secrets=secrets)


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
