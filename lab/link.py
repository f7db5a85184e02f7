"""The network between the sites, as a process: `python -m lab.link --settings FILE`.

The file is JSON: `control` (port), `delay` (seconds one way, the default of every pair), `relays` (see `lay`). Afterwards it is
steered over the control port with one JSON object per line, answered by one line: `{"ok": true, ...}` or `{"error": "..."}`.
Commands: `set` (pairs), `own` (who is which site), `lay` (more relays), `stats`.
"""

import argparse
import asyncio
import json
import resource
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from lab.addresses import LOCAL
from lab.alarm import Alarm
from lab.pairs import Pairs
from lab.relay import Listener
from lab.socket_owner import find_owner

LOOKS, PAUSE = 4, 0.01
"""How often, and how many seconds apart, the kernel is asked for a new connection's owner."""


class Network:
    """Every relay and every pair this process carries."""

    def __init__(self, delay: float) -> None:
        self._pairs, self._alarm = Pairs(delay), Alarm()
        self._listeners: list[Listener] = []
        self._owners: dict[int, str] = {}

    def lay(self, relays: Iterable[Mapping[str, Any]]) -> None:
        """Open relays: `source` (null: ask the socket table), `destination`, `listen`, `target` (ports)."""
        for relay in relays:
            listener = Listener(
                source=relay["source"],
                destination=relay["destination"],
                port=relay["listen"],
                target=relay["target"],
                pairs=self._pairs,
                alarm=self._alarm,
                resolve=partial(self._owner, relay["listen"]),
            )
            self._listeners.append(listener)
        self._refresh()

    def set(self, pairs: Iterable[Mapping[str, Any]]) -> None:
        """Change pairs, all in one go: `source`, `destination`, and any of `delay`, `jitter`, `loss`, `cut`."""
        mended = []
        for wanted in pairs:
            pair = self._pairs.get(wanted["source"], wanted["destination"])
            pair.delay = wanted.get("delay", pair.delay)
            pair.jitter = wanted.get("jitter", pair.jitter)
            pair.loss = wanted.get("loss", pair.loss)
            if wanted.get("cut", pair.cut) and not pair.cut:
                pair.sever()
            elif pair.cut and not wanted.get("cut", pair.cut):
                mended.append(pair)
        for pair in mended:
            pair.mend()
        self._refresh()

    def own(self, sites: Mapping[str, Iterable[int]]) -> None:
        """Say which pids belong to which site; a site that is named again replaces its pids."""
        self._owners = {pid: site for pid, site in self._owners.items() if site not in sites}
        self._owners.update({pid: site for site, pids in sites.items() for pid in pids})
        for listener in self._listeners:
            if listener.source is None:
                listener.sources |= frozenset(sites)
        self._refresh()

    def stats(self) -> dict[str, Any]:
        """Counts since the start, bytes held now, and the processor seconds all of it took."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "chunks": sum(listener.tally.chunks for listener in self._listeners),
            "bytes": sum(listener.tally.bytes for listener in self._listeners),
            "connections": sum(len(listener.connections) for listener in self._listeners),
            "held": sum(lane.held for listener in self._listeners for lane in listener.lanes),
            "cpu": used.ru_utime + used.ru_stime,
            "pairs": [
                {key: getattr(pair, key) for key in ("source", "destination", "delay", "jitter", "loss", "cut")}
                for pair in self._pairs.all()
            ],
        }

    def _refresh(self) -> None:
        for listener in self._listeners:
            listener.refresh()

    async def _owner(self, listen: int, port: int) -> str | None:
        """Site of the process that connected to our `listen` from this local port."""
        for _ in range(LOOKS):
            pid = find_owner(port, listen, tuple(self._owners))
            if pid is not None:
                return self._owners.get(pid)
            await asyncio.sleep(PAUSE)
        return None

    def obey(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one line of the control protocol."""
        match command:
            case {"set": pairs}:
                self.set(pairs)
            case {"own": sites}:
                self.own(sites)
            case {"lay": relays}:
                self.lay(relays)
            case {"stats": _}:
                return {"ok": True, **self.stats()}
            case _:
                return {"error": f"no such command: {sorted(command)}"}
        return {"ok": True}


async def _control(network: Network, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while line := await reader.readline():
            try:
                answer = network.obey(json.loads(line))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    writer.close()


async def run(settings: Mapping[str, Any]) -> None:
    """Relay until the process is ended."""
    network = Network(settings["delay"])
    network.lay(settings["relays"])
    server = await asyncio.start_server(lambda r, w: _control(network, r, w), LOCAL, settings["control"], limit=1 << 20)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Read the settings and run."""
    parser = argparse.ArgumentParser(prog="python -m lab.link", description="Relays between the sites of a lab.")
    parser.add_argument("--settings", type=Path, required=True)
    settings = json.loads(parser.parse_args().settings.read_text())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)) if hard > 0 else 65536, hard))
    uvloop.run(run(settings))


if __name__ == "__main__":
    main()
