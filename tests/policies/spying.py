"""A resource that has everything, and writes down what it is asked for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from infra.topology import Cloud, Jurisdiction, Topology
from policies.controls import LOOKED_AT, Control
from policies.rules.seen import Facts, Resource

FACTS = Facts(
    stack="prod-edge",
    role="edge",
    topology=Topology(
        regions={Cloud.AWS: "eu-central-1", Cloud.AZURE: "swedencentral", Cloud.GCP: "europe-southwest1"},
        jurisdiction=Jurisdiction.EU,
        least_km=1000,
    ),
    asns={Cloud.AWS: 64512, Cloud.AZURE: 65010, Cloud.GCP: 64514},
)
TYPES = tuple(sorted(LOOKED_AT))


class Spy(list[Any]):
    """A map with every key, and a list of one thing. Told apart by nobody."""

    def __init__(self, path: str, heard: set[str]) -> None:
        super().__init__()
        self._path, self._heard = path, heard

    def get(self, step: str, default: Any = None) -> Any:
        """Something is there, whatever it is."""
        place = f"{self._path}.{step}" if self._path else step
        self._heard.add(place)
        return Spy(place, self._heard)

    def keys(self) -> tuple[str, ...]:
        """Nothing that could be walked through for ever."""
        return ()

    def items(self) -> tuple[tuple[str, Any], ...]:
        """Nothing that could be walked through for ever."""
        return ()

    def values(self) -> tuple[Any, ...]:
        """Nothing that could be walked through for ever."""
        return ()

    def __iter__(self) -> Iterator[Any]:
        yield Spy(f"{self._path}[]", self._heard)

    def __len__(self) -> int:
        return 1

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


Mapping.register(Spy)


class Everyone(dict[str, tuple[str, ...]]):
    """Every property is computed from whoever there is, so that whatever can be joined is."""

    def __init__(self, urns: tuple[str, ...]) -> None:
        super().__init__()
        self._urns = urns

    def get(self, name: str, default: Any = None) -> tuple[str, ...]:
        """All of them."""
        return self._urns


def spy(token: str, heard: set[str], urns: tuple[str, ...]) -> Resource:
    """One of that type. `heard` grows with every question."""
    props: Any = Spy("", heard)
    return Resource(
        type=token, name="spy", urn=f"urn:pulumi:spy::trimaran::{token}::spy", props=props, property_dependencies=Everyone(urns)
    )


def asked(controls: Iterable[Control]) -> Mapping[str, set[str]]:
    """Every path that these look at, by type, among one of each type that there is."""
    urns = tuple(f"urn:pulumi:spy::trimaran::{token}::spy" for token in TYPES)
    heard: dict[str, set[str]] = {token: set() for token in TYPES}
    resources = tuple(spy(token, heard[token], urns) for token in TYPES)
    for control in controls:
        for role in ("edge", "interconnect"):
            list(control.found(resources, replace(FACTS, role=role)))
    return heard
