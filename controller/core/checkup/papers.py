"""Certificates, the issuer of tokens, and what etcd says beside what the databases say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.core.checkup.catalogue import Check
from controller.core.checkup.finding import Finding, Said, Unasked, bad, good, of, unknown, warning
from controller.core.checkup.streams import Nodes
from controller.core.model import Posture

NOTICED, LATE = timedelta(days=30), timedelta(days=7)
"""Before its end. Of a certificate that lives for days only, a fifth and a twentieth of its life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What one place shows."""

    begins: datetime
    ends: datetime
    mistrusted: str = ""
    """Why it is not believed from here; empty: it is, or nobody asked that."""


def certificate(subject: str, asked: Certificate | Unasked, now: datetime, renewal: str = "") -> Finding:
    """It is believed, and goes on being so for a while. `renewal`: how a new one comes there, where that is known."""
    return of(subject, Check.CERTIFICATE, _certificate(asked, now, f" {renewal}" if renewal else ""))


def _certificate(asked: Certificate | Unasked, now: datetime, renewal: str) -> Said:
    limit = "believed from here, and not near its end"
    if isinstance(asked, Unasked):
        return unknown(asked.because, limit, "Ask again when it answers.")
    left, lives = asked.ends - now, asked.ends - asked.begins
    value = f"until {asked.ends.isoformat()}, {_days(left)} left"
    if asked.mistrusted:
        return bad(
            f"{asked.mistrusted}; {value}",
            limit,
            f"Has it ended, is it another server's, or of another issuer? Mend it, or the authority in the settings.{renewal}",
        )
    if asked.begins > now:
        return bad(
            f"not before {asked.begins.isoformat()}", limit, "Is this machine's clock right? Then wait, or have it issued anew."
        )
    if left <= min(LATE, lives / 20):
        return bad(value, limit, f"Have it issued anew now, and see why nobody did: from its end on nobody gets in.{renewal}")
    if left <= min(NOTICED, lives / 5):
        return warning(value, limit, f"Have it issued anew; if that is automatic, see why it did not happen.{renewal}")
    return good(value, limit)


def _days(left: timedelta) -> str:
    return f"{left.days} days" if abs(left) >= timedelta(days=2) else f"{left.total_seconds() / 3600:.1f} hours"


def issuer(asked: Unasked | None) -> Finding:
    """The issuer gives this controller a token, without which no canary is paid. None: it did."""
    limit = "an access token for this controller"
    if asked is None:
        said = good("given", limit)
    elif asked.refused:
        said = bad(asked.because, limit, "Register this controller's certificate and scopes with the issuer ([tokens]).")
    else:
        said = unknown(asked.because, limit, "Ask again when it answers.")
    return of("the issuer", Check.ISSUER, said)


def etcd(asked: Mapping[str, Posture | Unasked | None]) -> Finding:
    """etcd's majority answers here. `asked`: the posture of each service."""
    limit = "an answer of etcd's majority"
    silent = sorted({one.because for one in asked.values() if isinstance(one, Unasked)})
    if not silent:
        return of("etcd", Check.ETCD, good("answers", limit))
    if any(isinstance(one, Unasked) and one.refused for one in asked.values()):
        return of("etcd", Check.ETCD, bad("; ".join(silent), limit, "Mend what this controller shows to etcd."))
    return of("etcd", Check.ETCD, unknown("; ".join(silent), limit, "Are two of three members up, and reached from here?"))


def posture(service: str, asked: Posture | Unasked | None, nodes: Nodes) -> Finding:
    """What is wanted is what is: the same writer of the same reign, and everybody who may have confirmed is on the list of who is cut."""
    return of(service, Check.POSTURE_DRIFT, _posture(asked, nodes))


def _posture(asked: Posture | Unasked | None, nodes: Nodes) -> Said:
    limit = "etcd's writer and reign, and an ack set within must_cut"
    if isinstance(asked, Unasked):
        return unknown(asked.because, limit, "Ask again when etcd answers.")
    if asked is None:
        return warning("no posture", limit, "Start a controller: it founds the service with what the settings say.")
    writer = nodes.writer()
    wants = f"etcd wants {asked.writer} in epoch {asked.reign}"
    if writer is None:
        return unknown(f"{wants}; no node that answers writes", limit, "See what is found about its nodes.")
    value = f"{wants}, {writer.site} writes in epoch {writer.epoch}"
    if (asked.writer, asked.reign) != (writer.site, writer.epoch):
        if silent := sorted(nodes.databases.keys() - nodes.known().keys()):
            return unknown(f"{value}; {', '.join(silent)} not told", limit, "Ask again when it answers.")
        return bad(value, limit, "A failover may be under way (trimaran status). If none is: was etcd restored from a backup?")
    outside = {name.rsplit("_", 1)[-1] for name in writer.ack_slots} - asked.must_cut
    if outside:
        way_out = "A failover would not read them, and lose what only they confirmed: trimaran pause, then trimaran explain."
        return bad(f"{', '.join(sorted(outside))} may confirm and would not be cut", limit, way_out)
    return good(value, limit)
