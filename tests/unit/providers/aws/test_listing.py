"""A zone is read in as few pages as can be, and no record of ours is ever missed, whatever order the pages come in."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.providers.aws.listing import Listing

NAMES = [f"{label}.x.test." for label in ("a", "a-slow", "b", "cc", "d", "d-slow", "zz")]


def order(name: str) -> str:
    """As Route 53 sorts."""
    return ".".join(reversed(name.rstrip(".").split("."))) + "."


class Zone:
    """Route 53's side: pages of a zone, by its own order."""

    def __init__(self, records: list[tuple[str, str]], size: int, backwards: bool) -> None:
        self.size, self.asked = size, 0
        self.records = sorted(records, key=lambda one: (order(one[0]), one[1]), reverse=backwards)
        self.backwards = backwards

    def page(self, start: dict[str, str]) -> Any:
        """From a name on, or from exactly a record on."""
        self.asked += 1
        first = (order(start["StartRecordName"]), start.get("StartRecordIdentifier", "~" if self.backwards else ""))
        rest = [r for r in self.records if ((order(r[0]), r[1]) <= first if self.backwards else (order(r[0]), r[1]) >= first)]
        page, following = rest[: self.size], rest[self.size :]
        answer: dict[str, Any] = {
            "ResourceRecordSets": [{"Name": name, "Type": "A", "SetIdentifier": mark} for name, mark in page],
            "IsTruncated": bool(following),
        }
        if following:
            answer |= {"NextRecordName": following[0][0], "NextRecordType": "A", "NextRecordIdentifier": following[0][1]}
        return answer


def read(zone: Zone, names: list[str]) -> dict[str, list[str]]:
    """Whatever the listing asks for."""
    listing = Listing(names)
    while (start := listing.start) is not None:
        assert zone.asked < 100
        listing.take(zone.page(start))
    return {name: sorted(record["SetIdentifier"] for record in records) for name, records in listing.zone.items()}


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["1", "2", "3", "4"])), unique=True),
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.integers(1, 9),
    st.booleans(),
)
def test_every_record_of_every_name_is_found(records: list[tuple[str, str]], names: set[str], size: int, backwards: bool) -> None:
    """Pages that end inside a name or before it, names without records, and an order that nobody expected."""
    wanted = {name: sorted(mark for other, mark in records if other == name) for name in names}
    assert read(Zone(records, size, backwards), sorted(names)) == wanted


def test_names_that_lie_together_are_one_page() -> None:
    """The usual case: every name of every group has its records."""
    zone = Zone([(name, mark) for name in NAMES for mark in "123"], 300, backwards=False)
    read(zone, NAMES)
    assert zone.asked == 1


def test_what_lies_between_is_skipped() -> None:
    """Two names far apart are two pages, however many lie between them."""
    crowd = [(f"m{number}.x.test.", "1") for number in range(1000)]
    zone = Zone([("a.x.test.", "1"), ("zz.x.test.", "1"), *crowd], 300, backwards=False)
    assert read(zone, ["a.x.test.", "zz.x.test."]) == {"a.x.test.": ["1"], "zz.x.test.": ["1"]}
    assert zone.asked == 2
