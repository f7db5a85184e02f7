"""The last posture that this edge has heard of: read from etcd, kept on disk, never guessed.

Without etcd it stands for ever, because payments then go on as they are (docs/decisions/0008-beacon.md); its age is told.
"""

import asyncio
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from controller.coordination.codec import decode, encode
from controller.coordination.layout import Keys
from controller.coordination.reading import Reader
from controller.coordination.transaction import KeyValue, Range, Txn
from controller.core.model import Posture
from controller.errors import Stuck, TrimaranError
from controller.ports import Clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A posture, and when it was last confirmed."""

    posture: Posture
    at: timedelta
    """Monotonic; of a posture from disk, when it was first read, reckoned by the wall clock: it may have stood much longer."""
    heard: bool
    """By this process from etcd; otherwise it comes from disk."""


class Listener:
    """Hears one service's posture. The control plane is asked, never told anything."""

    def __init__(self, kv: KeyValue, *, service: str, file: Path, clock: Clock) -> None:
        self._kv, self._service, self._file, self._clock = kv, service, file, clock
        self._reader, self._keep = Reader(), asyncio.Event()
        self.known: Known | None = None
        self.trouble = "etcd was not asked yet"
        """Why the last question brought no posture; empty when it did."""
        self.unkept = ""
        """Why the disk does not hold the present posture; empty when it does."""

    def recall(self) -> None:
        """Begin with what the disk holds; without a file nothing is known until etcd answers."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            first = datetime.fromisoformat(kept["first_read"])
            posture = decode(Posture, json.dumps(kept["posture"]), key=str(self._file))
            passed = max(self._clock.now() - first, timedelta(0))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, Stuck) as error:
            log.warning("the kept posture cannot be read, and counts as none", file=str(self._file), error=str(error))
            return
        if posture.service != self._service:
            log.warning("the kept posture is another service's, and counts as none", file=str(self._file), found=posture.service)
            return
        self.known = Known(posture=posture, at=self._clock.monotonic() - passed, heard=False)

    async def hear(self) -> bool:
        """Ask once; answers whether the posture has changed. Never raises what etcd or the way to it can do."""
        try:
            posture = await self._read()
        except TrimaranError as error:
            self._tell(str(error))
            return False
        if posture is None:
            self._tell(f"etcd knows no service {self._service}")
            return False
        self._tell("")
        before, self.known = self.known, Known(posture=posture, at=self._clock.monotonic(), heard=True)
        changed = before is None or before.posture != posture
        if changed:
            log.info("posture", epoch=posture.epoch, writer=posture.writer, weights=dict(sorted(posture.weights.items())))
            self._keep.set()
        return changed

    async def keep(self) -> None:
        """Write every new posture to disk, off the way of hearing the next one: a disk may hang."""
        while True:
            await self._keep.wait()
            self._keep.clear()
            if self.known is None:
                continue
            first_read = self._clock.now().astimezone(UTC).isoformat()
            text = json.dumps({"first_read": first_read, "posture": json.loads(encode(self.known.posture))})
            self.unkept = f"{self._file}: being written"
            try:
                await asyncio.to_thread(write, self._file, text)
                self.unkept = ""
            except OSError as error:
                self.unkept = f"{self._file}: {error.strerror}"
                log.warning("the posture is not kept", error=self.unkept)

    async def _read(self) -> Posture | None:
        answer = await self._kv.transact(Txn(reads=(Range(key=Keys(self._service).posture),)))
        (found,) = answer.found
        return self._reader.value(Posture, found[0]) if found else None

    def _tell(self, trouble: str) -> None:
        """Say it once when it begins and once when it is over, not five times a second."""
        if bool(trouble) != bool(self.trouble):
            if trouble:
                log.warning("the control plane is out of reach; the last posture stands", error=trouble)
            else:
                log.info("the control plane answers")
        self.trouble = trouble


def write(file: Path, text: str) -> None:
    """Replace the file as a whole: after a crash it holds the old text or the new one. Raises OSError."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        draft.rename(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
