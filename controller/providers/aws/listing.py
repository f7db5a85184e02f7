"""Which pages of a zone have to be read to know some names of it, as a value: the pages themselves are fetched elsewhere."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ListResourceRecordSetsResponseTypeDef, ResourceRecordSetOutputTypeDef

NEXT = {"NextRecordName": "StartRecordName", "NextRecordType": "StartRecordType", "NextRecordIdentifier": "StartRecordIdentifier"}


class Listing:
    """Reads as few pages as it can: from name to name, past everything between them.

    A zone of ten thousand records is dozens of pages, of which ours fill one. Nothing rests on the order in which Route 53 lists
    names: it decides only how many of them one page brings, and a name that no page brought is asked for by itself.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """`names`: absolute and lower case."""
        self._found: dict[str, dict[tuple[str, str], ResourceRecordSetOutputTypeDef]] = {name: {} for name in names}
        # Source: Route 53 API reference, ListResourceRecordSets: "by DNS name with the labels reversed", with the final dot.
        self._missing = sorted(self._found, key=lambda name: ".".join(reversed(name.rstrip(".").split("."))) + ".")
        self._next: dict[str, str] = {}

    @property
    def start(self) -> dict[str, str] | None:
        """Where the next page begins; None when everything is known."""
        if self._next:
            return self._next
        return {"StartRecordName": self._missing[0]} if self._missing else None

    def take(self, page: "ListResourceRecordSetsResponseTypeDef") -> None:
        """Take a page that was asked for by `start`."""
        asked = self._missing[0]
        records = [(record["Name"].lower(), record) for record in page["ResourceRecordSets"]]
        open_end = page["NextRecordName"].lower() if page["IsTruncated"] else None
        for name, record in records:
            if name in self._missing:
                self._found[name][record["Type"], record.get("SetIdentifier", "")] = record
        ended = ({name for name, _ in records} | {asked}) - {open_end}
        self._missing = [name for name in self._missing if name not in ended]
        goes_on = open_end in self._missing
        if goes_on:  # the page ended inside this name or right before it
            self._missing = [str(open_end), *(name for name in self._missing if name != open_end)]
        self._next = {start: str(page[key]) for key, start in NEXT.items() if key in page} if goes_on else {}  # type: ignore[literal-required]

    @property
    def zone(self) -> "dict[str, list[ResourceRecordSetOutputTypeDef]]":
        """Records by name, once `start` is None."""
        return {name: list(records.values()) for name, records in self._found.items()}
