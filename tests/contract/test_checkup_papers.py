"""A check-up asks etcd as the controller does: with the controller's papers, where members want to see some."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from controller.core.checkup.catalogue import Check
from controller.core.checkup.finding import Finding, Verdict
from controller.settings import read_settings
from controller.wiring_checkup import checkup
from tests.contract.conftest import HOST, free_ports
from tests.unit.test_settings import ENVIRON, document, spelled

pytestmark = pytest.mark.asyncio

DEADLINE = timedelta(seconds=2)


@dataclass(slots=True)
class Member:
    """Of an etcd that holds nothing, and speaks to who shows a certificate of its authority."""

    authority: trustme.CA = field(default_factory=trustme.CA)
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Nothing is there."""
        self.asked.append(request.path)
        return web.json_response({"header": {"revision": "1"}})


@asynccontextmanager
async def listening() -> AsyncIterator[Member]:
    """One member while it runs."""
    member, context = Member(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    member.authority.issue_cert(HOST).configure_cert(context)
    member.authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_post("/v3/kv/range", member.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=context).start()
    member.url = f"https://{HOST}:{runner.addresses[0][1]}"
    try:
        yield member
    finally:
        await runner.cleanup()


async def found(member: Member, folder: Path, issuer: trustme.CA) -> Finding:
    """What is found about etcd by who has papers of this issuer; nothing else answers."""
    given: dict[str, Any] = document()
    for table in ("clouds", "authorities", "groups"):
        del given[table]
    service = given["services"]["payments"]
    for table in ("capacity", "replicas", "servers"):
        del service[table]
    for site, port in zip(service["databases"], free_ports(3), strict=True):
        service["databases"][site]["port"] = port
    (folder / "etcd.pem").write_bytes(issuer.issue_cert("controller@example.com").private_key_and_cert_chain_pem.bytes())
    member.authority.cert_pem.write_to_path(str(folder / "members.pem"))
    given["etcd"] = {"endpoints": [member.url], "identity": {"certificate": "etcd.pem", "authority": "members.pem"}}
    path = folder / "aws.toml"
    path.write_text("\n".join(f'"{key}" = {spelled(value)}' for key, value in given.items()))
    settings = read_settings(path, ENVIRON)
    findings = await checkup(settings, settings.services, DEADLINE)
    assert [one.subject for one in findings if one.check is Check.CERTIFICATE] == ["this controller to etcd"]
    (one,) = (one for one in findings if one.check is Check.ETCD)
    return one


async def test_etcd_is_asked_with_the_controllers_papers(tmp_path: Path) -> None:
    """Members that know who asks answer; who comes with another authority's is not answered, and that is told."""
    async with listening() as member:
        known = await found(member, tmp_path, member.authority)
        assert known.verdict is Verdict.GOOD and member.asked
        member.asked.clear()
        unknown = await found(member, tmp_path, trustme.CA())
        assert unknown.verdict is Verdict.UNKNOWN and not member.asked
