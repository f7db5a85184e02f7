"""`trimaran-lives PORT PATH`: does the process of this container live? In every image; needs nothing but the standard library, because it
is started every few seconds beside the payments.

A service speaks to nobody without a certificate of the fleet's, so it is asked with its own: the papers that `entry` wrote.
"""

import argparse
import http.client
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from workload.entry import PLACE

IDENTITY, AUTHORITY = "identity.pem", "authority.pem"
"""As `entry` names what comes in FILE_IDENTITY_PEM and FILE_AUTHORITY_PEM."""
PATIENCE = timedelta(seconds=2)
"""For each step of the way. Below the vendors' own deadline of three seconds, so that a reason is told."""


class Silent(Exception):
    """It does not live, as far as can be seen; the message says what was heard instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """With which it is asked; PEM files."""

    identity: Path
    """With its chain and its private key."""
    authority: Path

    def context(self) -> ssl.SSLContext:
        """Shows the identity, and believes whom the authority names. Raises Silent: whoever cannot ask has not been answered.

        Addresses are not looked at: certificates of the fleet name services, and this one was dialled inside the container.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version, context.check_hostname = ssl.TLSVersion.TLSv1_2, False
        try:
            context.load_cert_chain(self.identity)
            context.load_verify_locations(self.authority)
        except OSError as error:
            wanted = f"{self.identity}, {self.authority}: expected a certificate with its key, and who issues such"
            raise Silent(f"{wanted}; got {type(error).__name__}: {error}") from error
        return context


def ask(port: int, path: str, papers: Papers | None, *, host: str = "127.0.0.1", patience: timedelta = PATIENCE) -> None:
    """Ask once. `papers`: None for a port without TLS. Raises Silent for everything but 200."""
    seconds = patience.total_seconds()
    connection = (
        http.client.HTTPConnection(host, port, timeout=seconds)
        if papers is None
        else http.client.HTTPSConnection(host, port, timeout=seconds, context=papers.context())
    )
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Silent(f"port {port}: expected an answer, got {type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        raise Silent(f"port {port}: expected status 200 from {path}, got {status}")


def main(argv: Sequence[str] | None = None, place: Path = PLACE) -> int:
    """0: it lives. 1: it does not, and why on standard error."""
    parser = argparse.ArgumentParser(prog="trimaran-lives", description="Does the process of this container live?")
    parser.add_argument("--plain", action="store_true", help="the port speaks HTTP without TLS")
    parser.add_argument("port", type=int, metavar="PORT")
    parser.add_argument("path", metavar="PATH")
    arguments = parser.parse_args(argv)
    papers = None if arguments.plain else Papers(identity=place / IDENTITY, authority=place / AUTHORITY)
    try:
        ask(arguments.port, arguments.path, papers)
    except Silent as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
