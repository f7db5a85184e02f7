"""Every settings file of a site, written before anything of it starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.audit_keys import audit_lines
from lab.cabling import Cabling
from lab.collector_process import CollectorProcess
from lab.door_settings import controller_papers, service_door
from lab.fleet import PAYMENTS, SCREENING, VAULT, WEBHOOKS
from lab.papers import Archive
from lab.payments_settings import payments_lines
from lab.receiver_process import Receiver
from lab.receiver_settings import SECRETS, dispatcher_at
from lab.screening_settings import screening_settings
from lab.site import CONTROLLER, Site
from lab.site_settings import Zones, controller_settings, service_settings
from lab.vault_settings import vault_settings
from workload.access.identity import service_name
from workload.screening.operations import SCORE
from workload.vault.callers import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the programs of a site have to be told about."""

    cabling: Cabling
    papers: Archive
    zones: Zones
    receiver: Receiver
    collector: CollectorProcess
    policy: Sequence[str]
    """Further lines of the controllers' policy tables."""
    services: Sequence[str]
    """Those that there are."""


def write_files(site: Site, around: Surroundings) -> None:
    """Of every program of the site."""
    cabling, papers, name, services = around.cabling, around.papers, site.name, around.services
    calls = payments_lines(cabling, papers, name, services)
    site.write(PAYMENTS, service_settings(cabling, name, *service_door(cabling, papers, name, PAYMENTS), *calls))
    if SCREENING in services:
        scored = service_door(cabling, papers, name, SCREENING, {service_name(PAYMENTS): (SCORE,)})
        site.write(SCREENING, screening_settings(cabling, name, *scored))
    if VAULT in services:
        told = service_door(cabling, papers, name, VAULT, {service_name(PAYMENTS): (Scope.SUBJECT.value,)})
        site.write(VAULT, vault_settings(cabling, name, around.zones.authority_file, *told))
    if WEBHOOKS in services:
        around.receiver.hand_out(site.settings / SECRETS)
        told = service_door(cabling, papers, name, WEBHOOKS)
        site.write(WEBHOOKS, dispatcher_at(cabling, name, site.settings / SECRETS, told))
    signing = audit_lines(papers.place / "audit", name)
    own = [*controller_papers(cabling, papers, name), *signing, *around.collector.controllers_settings()]
    site.write(CONTROLLER, controller_settings(cabling, name, around.zones, own, around.policy, services))
    for service in services:
        site.amend(service, around.collector.settings())
