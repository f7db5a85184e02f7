"""What became of one request to a key service, in the vault's own words.

Each cloud's SDK errors are translated by its `controller.providers.*.errors` first; here that tree becomes the vault's. What cannot
be told apart there (all three answer 400 for a ciphertext of another key) the cloud's own `reads` looks up in the vendor's answer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.errors import Conflict, Denied, ProviderError, Transient
from workload.vault.errors import Wrap, WrapDenied, WrapRefused, WrapUnavailable

Reads = Callable[[BaseException | None], type[Wrap]]
"""Given what the SDK raised: whose turn it is to act. Asked only about answers that are neither throttling nor an outage."""


def refused(_: BaseException | None) -> type[Wrap]:
    """Nothing was to be opened, so nothing can be broken."""
    return WrapRefused


def denied(_: BaseException | None) -> type[Wrap]:
    """Who may not ask learns nothing of the key."""
    return WrapDenied


@contextmanager
def told(cloud: str, reads: Reads = refused, denials: Reads = denied) -> Iterator[None]:
    """Raise WrapUnavailable, WrapRefused or WrapBroken instead of what providers raise. `denials`: as `reads`, about answers that look
    like a missing permission.

    The SDK's own error is left behind: azure-core spells the whole answer when it cannot read it, and an answer that was cut off in
    the middle of a key would stand in the log with half of it.
    """
    try:
        yield
    except (Transient, Conflict) as error:
        raise WrapUnavailable(f"{cloud}: {error}") from None
    except Denied as error:
        raise denials(error.__cause__)(f"{cloud}: {error}") from None
    except ProviderError as error:
        raise reads(error.__cause__)(f"{cloud}: {error}") from None
