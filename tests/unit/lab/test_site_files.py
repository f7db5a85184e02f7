"""What a site's files say of the dispatcher is what it reads: who it is, and who may ask for its status."""

from pathlib import Path
from typing import Any, cast

import pytest

from lab.cabling import Door
from lab.fleet import PAYMENTS, WEBHOOKS
from lab.papers import Archive, issue_papers
from lab.receiver_settings import new_secret, secrets_file
from lab.site import Site
from lab.site_files import Surroundings, write_files
from lab.site_settings import HOSTS, Zones
from lab.workspace import Workspace
from tests.unit.lab.test_door_settings import WIRES, Folders
from workload.access.identity import edge_name, server_context
from workload.durable.settings import read_settings
from workload.webhooks.settings import Settings


class Place:
    """A site's folder; beside it, the merchants' process and the collector as far as files are concerned."""

    name = "aws"

    def __init__(self, folder: Path) -> None:
        self.settings = folder

    def write(self, program: str, settings: str) -> None:
        (self.settings / f"{program}.toml").write_text(settings)

    def amend(self, program: str, lines: str) -> None:
        self.write(program, (self.settings / f"{program}.toml").read_text() + lines)

    def hand_out(self, file: Path) -> None:
        file.write_text(secrets_file({"shop": [new_secret()]}))


class Collector:
    """Where spans go."""

    def settings(self) -> str:
        return '[telemetry]\ncollector = "http://127.0.0.1:1/v1/traces"\n'

    def controllers_settings(self) -> tuple[str, ...]:
        return ("[traces]", 'collector = "http://127.0.0.1:1/v1/traces"')


@pytest.fixture
def papers(tmp_path: Path) -> Archive:
    """Everybody's."""
    hosts = [host for hosts in HOSTS.values() for host in hosts]
    return issue_papers(cast(Workspace, Folders(tmp_path / "papers")), (PAYMENTS, WEBHOOKS), hosts)


def test_the_dispatcher_is_itself_and_open_to_nobody_without_a_token(tmp_path: Path, papers: Archive) -> None:
    """Its own certificate, tokens for it alone, and no service that may come in by its certificate."""
    place: Any = Place(tmp_path)
    zones = Zones(
        ids=dict.fromkeys(("route53", "azuredns", "clouddns"), "z"),
        nameservers=dict.fromkeys(("route53", "azuredns", "clouddns"), 1),
        authority_file=tmp_path,
    )
    around = Surroundings(
        cabling=WIRES,
        papers=papers,
        zones=zones,
        receiver=place,
        collector=cast(Any, Collector()),
        policy=(),
        services=(PAYMENTS, WEBHOOKS),
    )
    write_files(cast(Site, place), around)
    settings, _ = read_settings(tmp_path / f"{WEBHOOKS}.toml", Settings, {}, {})
    assert settings.identity is not None and settings.identity.certificate == papers.service("aws", WEBHOOKS)
    server_context(settings.identity)
    assert settings.access is not None and not settings.open_to_everybody
    assert (settings.access.audience, settings.access.edges, settings.access.services) == (WEBHOOKS, (edge_name("aws"),), {})
    assert settings.listen.port == WIRES.direct("aws", Door.WEBHOOKS)
