"""The lab's side of an emulated cloud and of its name server: faults, the ids it needs, the zone as it is answered."""

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from pydantic import TypeAdapter

from lab.clouds.faults import Rule
from lab.clouds.zone import Record

RECORDS = TypeAdapter(tuple[Record, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneNews:
    """The zone at one revision."""

    revision: int
    records: tuple[Record, ...]


class CloudControl:
    """Routes of an emulated cloud that no fault touches, the same for all. Raises aiohttp.ClientError or TimeoutError when it
    cannot be asked."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        """`url`: where the emulated cloud listens; for https, `http` must trust its certificate."""
        self._http, self._url = http, url.rstrip("/")

    async def zone_id(self, name: str) -> str:
        """The cloud's own id of a zone by its name; KeyError when there is none."""
        async with self._http.get(f"{self._url}/_lab/zones", timeout=_within(5)) as answer:
            return str((await answer.json())[name.rstrip(".")])

    async def inject(self, rules: Sequence[Rule]) -> None:
        """Put these fault rules in force instead of those before; none heals the API."""
        body = "[" + ",".join(rule.model_dump_json() for rule in rules) + "]"
        async with self._http.put(f"{self._url}/_lab/faults", data=body, timeout=_within(5)) as answer:
            answer.raise_for_status()

    async def requests(self) -> dict[str, int]:
        """How many requests the API has received, by operation."""
        async with self._http.get(f"{self._url}/_lab/requests", timeout=_within(5)) as answer:
            return dict(await answer.json())

    async def zone(self, zone_id: str, *, after: int = 0, patience: float = 0) -> ZoneNews | None:
        """What the name servers may answer now, once newer than `after`; None when `patience` seconds brought nothing."""
        question = {"after": str(after), "wait": str(patience)}
        async with self._http.get(f"{self._url}/_lab/zones/{zone_id}", params=question, timeout=_within(patience + 5)) as answer:
            answer.raise_for_status()
            if answer.status == 204:
                return None
            body = await answer.json()
            return ZoneNews(revision=body["revision"], records=RECORDS.validate_python(body["records"]))


def _within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)
