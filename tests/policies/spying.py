"""A resource that has everything, and writes down what it is asked for."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules.seen import Resource


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
