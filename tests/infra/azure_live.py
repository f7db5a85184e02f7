"""The Azure stacks when bootstrap has filled what they need, and images have been built."""

from functools import cache

from infra.services import PROGRAMS
from tests.infra.recording import Recording, record


def images(environment: str) -> dict[str, str]:
    """One for each program, out of the site's own registry."""
    return {service.value: f"trimaran{environment}.azurecr.io/{service}@sha256:{'1' * 64}" for service in PROGRAMS}


@cache
def live(stack: str) -> Recording:
    """What the stack asks for when the site serves."""
    return record(stack, live=True, images=images(stack.split("-")[0]))
