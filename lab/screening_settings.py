"""The settings of one site's screening, and what payments beside it are told of it, as text. Pure: ports in, TOML out."""

from collections.abc import Iterator

from lab.addresses import LOCAL
from lab.cabling import SITES, Cabling, Door
from lab.fleet import SCREENING
from workload.access.identity import service_name


def screening_settings(cabling: Cabling, site: str, *door: str) -> str:
    """Settings of the screening at this site; `door`: lines that say who it is and who may come in."""
    port = cabling.direct(site, Door.SCREENING)
    lines = [f'site = "{site}"', f'service = "{SCREENING}"', "[listen]", f'host = "{LOCAL}"', f"port = {port}"]
    return "\n".join([*lines, *door]) + "\n"


def callee(cabling: Cabling, site: str, service: str, table: str, door: Door, *further: str) -> Iterator[str]:
    """Lines of the settings of a service at this site that calls another one, wherever that runs; `table`: what it is called there."""
    yield f"[{table}.callee]"
    yield f'name = "{service_name(service)}"'
    yield from further
    for other in SITES:
        yield from (f"[{table}.callee.instances.{other}]", f'host = "{LOCAL}"', f"port = {cabling.port(site, other, door)}")


def screened(cabling: Cabling, site: str) -> Iterator[str]:
    """Lines of the settings of payments at this site: every payment is screened, and passes while nobody screens."""
    yield from callee(cabling, site, SCREENING, SCREENING, Door.SCREENING)
