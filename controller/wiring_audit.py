"""Puts together who signs the journal's heads, and where they go. Part of `wiring`."""

from collections.abc import Mapping
from datetime import timedelta

from controller.anchoring.file import FileAnchor
from controller.anchoring.http import HttpAnchor
from controller.audit.archive import Archive
from controller.audit.keys import ring
from controller.audit.notary import Notary
from controller.coordination.store import Store
from controller.core.model import Site
from controller.ports import Clock
from controller.ports_audit import Anchor
from controller.postgres.database import PostgresDatabase
from controller.settings import Settings
from controller.settings_audit import AnchorSettings

Nodes = Mapping[str, Mapping[Site, PostgresDatabase]]
"""By service and site."""

NEVER_ASKED = timedelta(seconds=5)
EVERY = timedelta(seconds=10)
"""Between two looks of a notary; those of one process look one after the other."""


def notaries(settings: Settings, store: Store, nodes: Nodes, clock: Clock) -> tuple[Notary, ...]:
    """One for each service; `nodes`: of each, by site. None where settings have no `[audit]`."""
    if settings.audit is None:
        return ()
    audit = settings.audit
    return tuple(
        Notary(
            service=service,
            signer=audit.signer,
            ring=ring(audit.keys),
            coordination=store,
            board=store.board,
            copy=databases[settings.site],
            clock=clock,
            rhythm=audit.rhythm,
            anchors=tuple(map(_anchor, audit.anchors)),
            look_every=EVERY,
            begins=EVERY * number / len(nodes),
            anchor_deadline=max((one.deadline for one in audit.anchors), default=NEVER_ASKED),
        )
        for number, (service, databases) in enumerate(nodes.items())
    )


def archives(settings: Settings, store: Store, nodes: Nodes) -> Mapping[str, Archive]:
    """What this controller can show of each service, whether it signs or not."""
    audit = settings.audit
    return {
        service: Archive(
            service=service,
            controller=settings.site,
            board=store.board,
            copy=databases[settings.site],
            heads=databases[settings.site],
            keys=audit.keys if audit else (),
            rhythm=audit.rhythm if audit else None,
            anchors=tuple(_anchor(one).name for one in audit.anchors) if audit else (),
        )
        for service, databases in nodes.items()
    }


def _anchor(given: AnchorSettings) -> Anchor:
    if given.file is not None:
        return FileAnchor(given.file)
    assert given.url is not None, "one of both, see settings_audit"
    return HttpAnchor(given.url, token=given.token)
