"""Settings of the webhooks' two sides in the lab, as text. Pure but for the drawing of secrets: ports and paths in, TOML and JSON out."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.addresses import LOCAL
from lab.cabling import SITES, Cabling, Door
from lab.receiver import Fault, Mood, Settings

SECRETS = "merchants.toml"
"""The merchants' secrets as the dispatcher of one site has them, in the folder of its settings."""
NETWORK = "127.0.0.0/8"
"""Where the lab's merchants are. A dispatcher calls no address that is not public unless it is told to."""
MANNERS: Mapping[str, float] = {
    "request_deadline": 2,
    "slow_after": 0.5,
    "first_pause": 0.2,
    "longest_pause": 2,
    "parked_pause": 10,
}
"""A run of the lab takes minutes, a merchant's bad day takes hours: pauses are shortened, and nothing else."""
FINDER_INTERVAL = 0.2
"""Seconds. No payer waits for a webhook, and nine sessions that ask every 75 ms cost a processor that the lab has not got."""

FLAKY_EVERY, SLOW_EVERY = 5, 10
"""Every so many merchants one is flaky, and one slow, each counted from its own place in the row."""
FLAKY = Fault(mood=Mood.FLAKY, share=0.2)
SLOW = Fault(mood=Mood.SLOW, seconds=0.7)
"""Longer than `slow_after`, so that it waits for a place of the slow; short enough to keep up with its share of the demo's load."""


def new_secret() -> str:
    """A merchant's secret, as the Standard Webhooks specification writes it: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def secrets_file(merchants: Mapping[str, Sequence[str]]) -> str:
    """The dispatchers' file of secrets, by the name that endpoints use."""
    return "".join(f"{json.dumps(name)} = {json.dumps(list(values))}\n" for name, values in merchants.items())


def dispatcher_settings(site: str, *, listen: int, databases: Mapping[str, int], secrets: Path, door: Sequence[str] = ()) -> str:
    """Settings of the dispatcher at `site`; `databases`: the port through which it reaches each site's; `door`: lines that say who it is
    and who may ask for its status, without which it is open, on loopback."""
    lines = [
        f'site = "{site}"',
        'service = "payments"',
        f"secrets = {json.dumps(str(secrets))}",
        f'allow = ["{NETWORK}"]',
        "plain_http = true",
        *(() if door else ("open_to_everybody = true",)),
        *_address("listen", listen),
        *door,
    ]
    for other, port in databases.items():
        lines += _address(f"databases.{other}", port)
    lines += ["[tuning]", "sessions = 2", "lanes = 1", f"finder_interval = {FINDER_INTERVAL:g}"]
    lines += ["[manners]", *(f"{name} = {value}" for name, value in MANNERS.items())]
    return "\n".join(lines) + "\n"


def dispatcher_at(cabling: Cabling, site: str, secrets: Path, door: Sequence[str]) -> str:
    """The same in a lab whose cables are laid."""
    databases = {other: cabling.port(site, other, Door.DATABASE) for other in SITES}
    return dispatcher_settings(site, listen=cabling.direct(site, Door.WEBHOOKS), databases=databases, secrets=secrets, door=door)


def receiver_settings(
    port: int, record: Path, merchants: Mapping[str, Sequence[str]], faults: Mapping[str, Fault] | None = None
) -> str:
    """Settings of the merchants' process; `merchants`: by account, the secrets they believe; `faults`: who behaves badly."""
    believed = {account: tuple(values) for account, values in merchants.items()}
    return Settings(port=port, record=record, merchants=believed, faults=dict(faults or {})).model_dump_json()


def misbehaving(accounts: Sequence[str]) -> Mapping[str, Fault]:
    """Who of these merchants treats webhooks badly, and how: what the field is like, and what makes a dispatcher try again."""
    flaky = dict.fromkeys(accounts[1::FLAKY_EVERY], FLAKY)
    return flaky | dict.fromkeys(accounts[2::SLOW_EVERY], SLOW)


def endpoint(port: int, account: str) -> str:
    """Where a merchant's webhooks go, through this port."""
    return f"http://{LOCAL}:{port}/merchants/{account}"


def _address(table: str, port: int) -> list[str]:
    return [f"[{table}]", f'host = "{LOCAL}"', f"port = {port}"]
