"""What is switched on around a payment, one layer after the other, and the settings that say so. Pure: ports and paths in, TOML out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, assert_never

from lab.addresses import LOCAL
from lab.bench_throughput_load import NEW_EVERY
from lab.issuer import ISSUER
from lab.site_settings import SERVICE, WRITER
from workload.access.door import THUMBPRINT
from workload.access.identity import edge_name, service_name

SCREENING, VAULT = "screening", "vault"
PLENTY = "{ per_second = 1000000.0, burst = 1000000.0 }"
"""A limit that counts and refuses nobody."""


class Layer(StrEnum):
    """One of them."""

    BARRIER = "barrier"
    TLS = "tls"
    ACCESS = "access"
    """Each token checked, and the certificate that it is bound to."""
    SCREENING = "screening"
    VAULT = "vault"
    LIMITS = "limits"
    """Of how often each client and all together may ask. How many may be inside at once is always limited, and learnt."""
    TELEMETRY = "telemetry"


Source = Literal["none", "known", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One way of paying that is measured."""

    name: str
    layers: frozenset[Layer]
    source: Source = "none"
    """Where a payment says that its money comes from: see `bench_throughput_load.Target`."""
    before: str = ""
    """Name of the step with which it is compared."""

    @property
    def process(self) -> str:
        """Two steps with the same layers are paid at the same process."""
        return "payments-" + "-".join(sorted(self.layers) or ["nothing"])


def steps() -> tuple[Step, ...]:
    """Each with one layer more than the one before; tokens that are new beside that."""
    bare = Step(name="without barrier", layers=frozenset())
    found = [bare]
    for layer in Layer:
        last = found[-1]
        source: Source = "known" if Layer.VAULT in {*last.layers, layer} else "none"
        found.append(Step(name=NAMES[layer], layers=last.layers | {layer}, source=source, before=last.name))
    tokens = next(step for step in found if step.name == NAMES[Layer.VAULT])
    found.append(Step(name=f"1 in {NEW_EVERY} tokens is new", layers=tokens.layers, source="new", before=tokens.name))
    return tuple(found)


NAMES: Mapping[Layer, str] = {
    Layer.BARRIER: "bare, with barrier",
    Layer.TLS: "+ mutual TLS",
    Layer.ACCESS: "+ access tokens",
    Layer.SCREENING: "+ screening",
    Layer.VAULT: "+ vault, known tokens",
    Layer.LIMITS: "+ rate limits",
    Layer.TELEMETRY: "+ telemetry",
}
BARE, WHOLE = NAMES[Layer.BARRIER], NAMES[Layer.TELEMETRY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Where everything is that layers need."""

    databases: Mapping[str, int]
    """Each site's, as seen from the writer's."""
    issuer: int
    issuer_authority: Path
    screening: int
    vault: int
    collector: int
    papers: Path
    """Folder with NAME.pem and NAME-authority.pem of every service."""


def payments_settings(layers: Iterable[Layer], port: int, ways: Ways) -> str:
    """Settings of a payments service with these layers; the barrier is not one that settings could switch off."""
    wanted = frozenset(layers)
    lines = _top(SERVICE, port, ways, is_open=Layer.ACCESS not in wanted, databases=True)
    for layer in Layer:
        if layer in wanted:
            lines += _lines(layer, ways, named=Layer.TLS in wanted)
    return "\n".join(lines) + "\n"


def screening_settings(port: int, ways: Ways) -> str:
    """Settings of a screening service that scores everything and advises to hold nothing: who pays hundreds a second is no person."""
    lines = [*_top(SCREENING, port, ways, is_open=False, databases=False), *identity(SCREENING, ways)]
    lines += [*access(SCREENING, ways), "[access.services]", f'"{service_name(SERVICE)}" = ["screening:score"]']
    return "\n".join([*lines, "[limits]", "hold_at = 1000.0"]) + "\n"


def vault_settings(port: int, ways: Ways) -> str:
    """Settings of a vault; its key services are named and never asked: see `bench_throughput_vault`."""
    lines = [*_top(VAULT, port, ways, is_open=False, databases=True), *identity(VAULT, ways)]
    lines += [*access(VAULT, ways), "[access.services]", f'"{service_name(SERVICE)}" = ["vault:subject"]']
    lines += ["[key_services.aws]", 'key = "unused"', 'region = "us-east-1"', 'identity = "static"']
    lines += ["[key_services.azure]", 'key = "unused"', 'vault = "https://unused.test"', 'identity = "static"']
    return "\n".join(lines) + "\n"


def _lines(layer: Layer, ways: Ways, *, named: bool) -> list[str]:
    match layer:
        case Layer.BARRIER:
            return []
        case Layer.TLS:
            return identity(SERVICE, ways)
        case Layer.ACCESS:
            return access(SERVICE, ways)
        case Layer.SCREENING:
            return ["[screening]", *_callee(SCREENING, ways.screening, named=named)]
        case Layer.VAULT:
            return ["[vault]", *_callee(VAULT, ways.vault, named=named)]
        case Layer.LIMITS:
            return ["[limits]", f'client_header = "{THUMBPRINT}"', f"client = {PLENTY}", f"overall = {PLENTY}"]
        case Layer.TELEMETRY:
            return ["[telemetry]", f'collector = "http://{LOCAL}:{ways.collector}/v1/traces"']
        case never:
            assert_never(never)


def identity(service: str, ways: Ways) -> list[str]:
    """`[identity]`"""
    papers = (ways.papers / f"{service}.pem", ways.papers / f"{service}-authority.pem")
    return ["[identity]", *(f"{name} = {_path(path)}" for name, path in zip(("certificate", "authority"), papers, strict=True))]


def access(service: str, ways: Ways) -> list[str]:
    """`[access]`"""
    return [
        "[access]",
        f'issuer = "{ISSUER}"',
        f'audience = "{service}"',
        f'keys_url = "https://{LOCAL}:{ways.issuer}/jwks"',
        f"authority = {_path(ways.issuer_authority)}",
        f'edges = ["{edge_name(WRITER)}"]',
    ]


def _callee(service: str, port: int, *, named: bool) -> list[str]:
    name = [f'name = "{service_name(service)}"'] if named else []
    return [f"[{service}.callee]", *name, f'instances = {{ {WRITER} = {{ host = "{LOCAL}", port = {port} }} }}']


def _top(service: str, port: int, ways: Ways, *, is_open: bool, databases: bool) -> list[str]:
    lines = [f'site = "{WRITER}"', f'service = "{service}"', *(["open_to_everybody = true"] if is_open else [])]
    lines += ["[listen]", f'host = "{LOCAL}"', f"port = {port}"]
    for site, database in ways.databases.items() if databases else ():
        lines += [f"[databases.{site}]", f'host = "{LOCAL}"', f"port = {database}"]
    return lines


def _path(path: Path) -> str:
    return json.dumps(str(path))
