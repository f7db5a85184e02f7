"""What providers say about servers and instances, as documents, and what of it a person should mend in peace.

These are warnings, never refusals: a move that waited for what a provider says would wait for ever on the day its API is down.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from controller.core.model import Site
from controller.ports import ProviderFacts
from controller.provider_watch import Heard, ProviderWatch, Subject

Document = Mapping[str, object]

STORAGE_LOW = 0.1
"""Share of the disk below which RDS would enlarge it by itself, were it allowed to. Source: Amazon RDS User Guide, "Managing capacity
automatically with Amazon RDS storage autoscaling"."""


def documents(watch: ProviderWatch, site: Site) -> Document:
    """By subject, what the provider of this site said; unknown values are null, and an answer too old to be believed is none."""
    heard = {subject: one for (where, subject), one in watch.heard().items() if where == site}
    return {subject: _document(one, watch.floors.get(site)) for subject, one in heard.items()}


def warnings(watch: ProviderWatch) -> list[Document]:
    """What is not as it should be, of every site: value, limit and way out, as refusals have them."""
    found: list[Document] = []
    for (site, subject), heard in sorted(watch.heard().items()):
        for value, limit, way_out in _complaints(subject, heard, watch.believed_for):
            said = f"{site}'s {subject}: {value}; needs {limit}. {way_out}"
            found.append(
                {
                    "site": site,
                    "subject": subject,
                    "age_s": _seconds(heard.age),
                    "value": value,
                    "limit": limit,
                    "way_out": way_out,
                    "said": said,
                }
            )
    return found


def _document(heard: Heard, raised_to: int | None) -> Document:
    told = heard.told if heard.known else None
    document: dict[str, object] = {"known": heard.known, "age_s": _seconds(heard.age), "because": heard.because}
    if isinstance(told, ProviderFacts):
        document |= {
            "exists": True,
            "highly_available": told.highly_available,
            "synchronous_standby": told.synchronous_standby,
            "storage_free": told.storage_free,
            "maintenance": told.maintenance.isoformat() if told.maintenance else None,
            "replica_of": told.replica_of,
            "state": told.state,
        }
    elif told is not None:
        document |= {"exists": True, "floor": told, "raised_to": raised_to}
    else:
        document |= {"exists": False if heard.known else None}
    return document


Complaint = tuple[str, str, str]
"""Value, limit, way out."""


def _complaints(subject: Subject, heard: Heard, believed_for: timedelta) -> Iterator[Complaint]:
    told = heard.told
    if not heard.known:
        age = "never answered" if heard.age is None else f"last answered {heard.age.total_seconds():.0f} s ago"
        limit = f"an answer of the last {believed_for.total_seconds():.0f} s"
        yield f"unknown, {age} ({heard.because})", limit, "Look at the provider's API and at this controller's permissions."
    elif told is None:
        yield "there is none of that name", f"the name of the {subject} as its provider knows it", "Mend the settings."
    elif isinstance(told, ProviderFacts) and subject is Subject.SERVER:
        yield from _of_server(told)
    elif isinstance(told, ProviderFacts) and told.replica_of is None:
        yield f"no read replica any more ({told.state})", "a read replica", "Take it out of the settings, or have a new one made."


def _of_server(told: ProviderFacts) -> Iterator[Complaint]:
    if told.storage_free is not None and told.storage_free < STORAGE_LOW:
        yield f"{told.storage_free:.0%} of its storage is free", f"{STORAGE_LOW:.0%}", "Enlarge its storage."
    if told.highly_available is False:
        yield "no standby that is ready", "a standby in another zone", "Have its provider keep one, or mend it."
    if told.synchronous_standby is False and told.highly_available is not False:
        yield "its standby is asynchronous", "one that confirms every commit", "Have its provider keep a synchronous standby."
    if told.maintenance is not None:
        yield f"maintenance from {told.maintenance.isoformat()}", "none pending", "Move the writer away before, or postpone it."
    if told.replica_of is not None:
        yield f"a read replica of {told.replica_of}", "a server of its own", "Mend the settings, or promote it."


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else round(age.total_seconds(), 3)
