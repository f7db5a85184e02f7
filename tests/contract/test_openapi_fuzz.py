"""Every service answers whatever it is asked as its published document says.

Schemathesis makes requests from the documents: their examples, the edges of every schema, random ones that keep to it and random ones
that break it, and chains of requests that use what was answered before. They are the same each time.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.contract.openapi_services import Ready, payments_beside_the_follower, screening_alone, vault_beside_the_follower
from tests.contract.openapi_worlds import fuzz, known, published

pytestmark = pytest.mark.timeout(150)

Service = Callable[[Path], AbstractAsyncContextManager[Ready]]
SERVICES: Mapping[str, Service] = {
    "screening": screening_alone,
    "payments": payments_beside_the_follower,
    "vault": vault_beside_the_follower,
}


@pytest.mark.parametrize("service", SERVICES)
async def test_it_keeps_to_its_document(service: str, tmp_path: Path) -> None:
    """And every operation was carried out at least once: what is only ever refused is not tested."""
    document = published(service)
    async with SERVICES[service](tmp_path) as ready:
        asked = known(document, ready.known)
        found = await fuzz(ready.app, asked, ready.token, service=service, port=ready.port, folder=tmp_path)
    print(found.said)
    assert found.status == 0
    succeeded = {(method.lower(), route) for method, route, status in found.met if 200 <= status < 300}
    documented = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert documented <= succeeded, found.met
