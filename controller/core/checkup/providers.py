"""What the sites' providers say: the standby behind a server, its disk, instances that run, and whether they let us ask at all."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from controller.core.checkup.catalogue import Check
from controller.core.checkup.finding import Finding, Judge, Said, Unasked, bad, good, of, unknown, warning
from controller.core.model import ProviderFacts, Site
from controller.core.policy import Policy

RUNNING = frozenset({"available", "Ready", "RUNNABLE"})
"""What the three vendors call a server that serves."""

SOON = timedelta(hours=24)
"""Maintenance that is nearer is told."""

LITTLE, LEAST = 0.25, 0.10
"""Free share of a disk. Azure makes a server read-only at 5 %, and drops slots before."""

UNNAMED = Unasked(because="the settings do not name it")


def access(subject: str, asked: object | Unasked) -> Finding:
    """The provider lets this identity ask. Whether it would let it change anything shows only when it does."""
    limit = "an answer to this identity"
    if not isinstance(asked, Unasked):
        return of(subject, Check.PROVIDER_ACCESS, good("answers", limit))
    if asked.refused:
        way_out = "Mend the identity in [clouds.CLOUD.identity], or what its role may: a failover is refused the same way."
        return of(subject, Check.PROVIDER_ACCESS, bad(asked.because, limit, way_out))
    return of(subject, Check.PROVIDER_ACCESS, unknown(asked.because, limit, "Ask again; nothing of a failover waits for it."))


def server(subject: str, asked: ProviderFacts | Unasked | None, now: datetime) -> Iterator[Finding]:
    """One site's own database server, as its provider sees it; None: there is no such server."""
    yield (
        access(f"server of {subject}", asked)
        if asked is not UNNAMED
        else of(f"server of {subject}", Check.PROVIDER_ACCESS, _unnamed("servers", "an answer to this identity"))
    )
    judges: Mapping[Check, Judge[ProviderFacts]] = {
        Check.STANDBY: standby,
        Check.HIGH_AVAILABILITY: high_availability,
        Check.STORAGE: storage,
        Check.SERVER_STATE: partial(state, now=now),
    }
    for check, judge in judges.items():
        if asked is UNNAMED:
            said = _unnamed("servers", f"an answer about {check}")
        elif isinstance(asked, Unasked):
            said = unknown(asked.because, f"an answer about {check}", "Ask again when it answers.")
        elif asked is None:
            said = bad(
                "there is no such server",
                "the server that the settings name",
                "Mend its name in [services.SERVICE.servers.SITE].",
            )
        else:
            said = judge(asked)
        yield of(subject, check, said)


def standby(facts: ProviderFacts) -> Said:
    """A member's in-cloud standby is synchronous.

    1. gcp confirms a payment; its standby does not have it yet. 2. It is cut and read. 3. Its cloud fails it over to the standby. 4. The
    position that the election went by is gone, and the payment with it.
    """
    limit = "a standby that has every commit before it is confirmed, or none"
    if facts.synchronous_standby:
        return good("synchronous", limit)
    if facts.synchronous_standby is False:
        return bad("asynchronous", limit, "Choose the vendor's synchronous high availability; such a node may be no ack member.")
    if facts.highly_available is False:
        return good("none", limit)
    return unknown("the provider does not say", limit, "Look at the server's high availability in the vendor's console.")


def high_availability(facts: ProviderFacts) -> Said:
    """A broken disk or zone is its cloud's own matter, and no failover of ours."""
    limit = "high availability in the region"
    match facts.highly_available:
        case True:
            return good("on", limit)
        case False:
            return warning("off", limit, "Turn it on (infra/components): a lost zone would cost a failover between clouds.")
        case _:
            return unknown("the provider does not say", limit, "Look at it in the vendor's console.")


def storage(facts: ProviderFacts) -> Said:
    """The disk takes the log that waits for a cloud that is away."""
    limit = f"at least {LITTLE:.0%} free"
    if facts.storage_free is None:
        return unknown("the provider does not say", limit, "Look at it in the vendor's console.")
    value, way_out = f"{facts.storage_free:.0%} free", "Enlarge the disk; look for slots that hold log back (`retained`)."
    if facts.storage_free < LEAST:
        return bad(value, limit, f"{way_out} A vendor makes a full server read-only, and drops slots before.")
    return good(value, limit) if facts.storage_free >= LITTLE else warning(value, limit, way_out)


def state(facts: ProviderFacts, now: datetime) -> Said:
    """It serves, is nobody's read replica, and is not restarted today."""
    limit = "serving, of its own, and no maintenance within a day"
    if facts.replica_of is not None:
        way_out = "A read replica can be no follower of ours: name the site's own server in [services.SERVICE.servers.SITE]."
        return bad(f"read replica of {facts.replica_of}", limit, way_out)
    if facts.state not in RUNNING:
        return warning(facts.state, limit, "Wait until it is done, or look in the vendor's console what it is about.")
    if facts.maintenance is not None and facts.maintenance - now < SOON:
        way_out = "Put it off, or move the writer away first (trimaran switchover)."
        return warning(f"{facts.state}, maintenance at {facts.maintenance.isoformat()}", limit, way_out)
    return good(facts.state, limit)


def instances(subject: str, asked: int | Unasked | None, needed: int) -> Iterator[Finding]:
    """How many instances a service keeps at a site; `needed`: to how many a failover raises that."""
    if asked is not UNNAMED:
        yield access(f"instances of {subject}", asked)
    limit = f"at least one; a failover raises it to {needed}" if needed else "at least one"
    if asked is UNNAMED:
        said = _unnamed("capacity", limit)
    elif isinstance(asked, Unasked):
        said = unknown(asked.because, limit, "Ask again when it answers.")
    elif asked is None:
        said = bad("there is no such service", limit, "Mend its name in [services.SERVICE.capacity.SITE], or deploy it.")
    elif asked == 0:
        said = warning("0", limit, "Nobody runs there: traffic that comes has to wait for the first one to start.")
    else:
        said = good(str(asked), limit)
    yield of(subject, Check.INSTANCES, said)


def survivors(service: str, policy: Policy, sites: frozenset[Site]) -> Finding:
    """Whichever site is lost, the others carry the load; else the guard `surviving-capacity` would have to be overridden at night."""
    limit = f"{policy.required_capacity:g} of the load without any one site"
    left = {site: sum(policy.capacity(other) for other in sites - {site}) for site in sorted(sites)}
    least = min(left, key=lambda site: left[site])
    value = f"{left[least]:g} without {least}"
    if left[least] >= policy.required_capacity:
        return of(service, Check.SURVIVORS, good(value, limit))
    way_out = f"Add capacity at the others, or lower services.{service}.policy.required_capacity knowingly."
    return of(service, Check.SURVIVORS, bad(value, limit, way_out))


def _unnamed(table: str, limit: str) -> Said:
    return unknown(UNNAMED.because, limit, f"Name it in [services.SERVICE.{table}.SITE].")
