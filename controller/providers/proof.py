"""What a process shows another cloud to say who it is: a token of its own platform, which keeps it in a file."""

from collections.abc import Callable
from pathlib import Path

from controller.errors import Denied


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
