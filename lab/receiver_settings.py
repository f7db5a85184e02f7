"""Settings of the webhooks' two sides in the lab, as text. Pure but for the drawing of secrets: ports and paths in, TOML and JSON out."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.addresses import LOCAL

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


def new_secret() -> str:
    """A merchant's secret, as the Standard Webhooks specification writes it: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def secrets_file(merchants: Mapping[str, Sequence[str]]) -> str:
    """The dispatchers' file of secrets, by the name that endpoints use."""
    return "".join(f"{json.dumps(name)} = {json.dumps(list(values))}\n" for name, values in merchants.items())


def dispatcher_settings(site: str, *, listen: int, databases: Mapping[str, int], secrets: Path) -> str:
    """Settings of the dispatcher at `site`; `databases`: the port through which it reaches each site's."""
    lines = [
        f'site = "{site}"',
        'service = "payments"',
        "open_to_everybody = true",
        f"secrets = {json.dumps(str(secrets))}",
        f'allow = ["{NETWORK}"]',
        "plain_http = true",
        *_address("listen", listen),
    ]
    for other, port in databases.items():
        lines += _address(f"databases.{other}", port)
    lines += ["[manners]", *(f"{name} = {value}" for name, value in MANNERS.items())]
    return "\n".join(lines) + "\n"


def receiver_settings(port: int, record: Path, merchants: Mapping[str, Sequence[str]]) -> str:
    """Settings of the merchants' process; `merchants`: by account, the secrets they believe."""
    return json.dumps(
        {"port": port, "record": str(record), "merchants": {name: list(values) for name, values in merchants.items()}}
    )


def endpoint(port: int, account: str) -> str:
    """Where a merchant's webhooks go, through this port."""
    return f"http://{LOCAL}:{port}/merchants/{account}"


def _address(table: str, port: int) -> list[str]:
    return [f"[{table}]", f'host = "{LOCAL}"', f"port = {port}"]
