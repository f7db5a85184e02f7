"""What a process shows a cloud to say who it is: a token of its own platform, which keeps it in a file; a lab's own, on its own machine."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from controller.errors import Denied, Refused


def token_file(path: Path) -> Callable[[], str]:
    """The token that the platform replaces before it expires, read anew every time. The callable raises Denied when there is none."""

    def read() -> str:
        try:
            token = path.read_text().strip()
        except OSError as error:
            raise Denied(f"no identity token can be read: {error}") from error
        if not token:
            raise Denied(f"no identity token in {path}")
        return token

    return read


def is_on_this_machine(url: str | None) -> bool:
    """Is it a loopback address? A name is none, `localhost` neither: who it leads to is up to somebody's resolver."""
    try:
        return ip_address(urlsplit(url or "").hostname or "").is_loopback
    except ValueError:
        return False


def refuse_to_show_elsewhere(secret: str, endpoint_url: str | None, way_out: str) -> None:
    """Raises Refused when something that does not expire would be shown beyond this machine; None: to the vendor's public endpoint."""
    if not is_on_this_machine(endpoint_url):
        raise Refused(
            guard="no-long-lived-keys",
            value=f"{secret} for {endpoint_url or 'the public endpoint'}",
            limit="a loopback address of this machine",
            way_out=way_out,
        )
