"""The payments service beside the follower, for a module of tests: azure writes, aws follows and serves."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.protocol.payments_site import AWS, Service, Sites, eventually, two_sites


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites(request: pytest.FixtureRequest) -> AsyncIterator[Sites]:
    """Azure writes, aws follows."""
    async with two_sites(request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")) as sites:
        yield sites


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(sites: Sites) -> AsyncIterator[Service]:
    """The service in the other cloud than the writer's."""
    async with sites.service(AWS) as service:
        await eventually(service.is_ready)
        yield service
