"""The evacuation bench: what it founds, and what makes its figures say that a promise was broken."""

from collections.abc import Mapping

import pytest

from lab.bench_evacuation import GROUPS, Evacuated, Evacuation, placed
from lab.bench_figures import table


def figures(*seen: Evacuated) -> Mapping[str, object]:
    """Of a bench that saw this."""
    found = {"throttled": {"10": {f"authority-{number}": one for number, one in enumerate(seen)}}}
    return Evacuation(say=lambda _: None, found=found).figures()


def drained(clean: float | None = 0.2, refused: Mapping[str, str] | None = None) -> Evacuated:
    """One authority, told in a tenth of a second."""
    return Evacuated(told=0.1, clean=clean, calls=4, groups=8, refused=refused or {})


@pytest.mark.parametrize("services", [1, 10, 1000])
def test_every_service_stands_for_the_name_of_one_group(services: int) -> None:
    """None twice, none left out, and never more groups than there are ways of being placed."""
    groups = placed(services)
    aliases = [alias for group in groups for alias in group.aliases]
    assert len(set(aliases)) == len(aliases) == services
    assert len(groups) == min(GROUPS, services)
    assert all(set(group.aliases.values()) == set(group.names) for group in groups)


def test_a_client_that_is_still_led_astray_breaks_the_figures() -> None:
    """So does a group that an authority was not told of; a quick and clean one does not."""
    assert figures(drained())["broken"] == 0
    assert figures(drained(), drained(clean=None), drained(refused={"g1": "a stranger's"}))["broken"] == 2


def test_people_read_calls_and_seconds() -> None:
    """One line for each authority and number of services."""
    (line,) = [line for line in table({"evacuation": figures(drained())}).splitlines() if line.startswith("evacuation")]
    assert "10 services, throttled" in line and "4 calls" in line and "0.2 s" in line
