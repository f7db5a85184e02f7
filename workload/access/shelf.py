"""The issuer's last keys on disk: a service that is started in another cloud's outage may find the issuer away too.

They are no secret. Whoever can write the file can sign tokens, so it belongs to the service's own account.
"""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path


class FileShelf:
    """One file, replaced as a whole."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        """`now`: Unix seconds. The age outlives this process and its monotonic clock."""
        self._path = path
        self._now = now

    def load(self) -> tuple[bytes, timedelta] | None:
        """The document and its age, never below zero; None when there is no file that this class wrote."""
        try:
            kept = json.loads(self._path.read_bytes())
            return str(kept["document"]).encode(), timedelta(seconds=max(0.0, self._now() - float(kept["confirmed_at"])))
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None

    def save(self, document: bytes) -> None:
        """Keep it. Raises OSError. A crash in the middle leaves the former file."""
        text = json.dumps({"confirmed_at": self._now(), "document": document.decode("utf-8", "replace")})
        unfinished = self._path.with_name(self._path.name + ".new")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        unfinished.replace(self._path)
