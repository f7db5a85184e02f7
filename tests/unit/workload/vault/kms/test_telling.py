"""What providers raise becomes what the vault knows, and nothing of an answer comes along."""

import traceback

import pytest

from controller.errors import Conflict, Denied, ProviderError, Transient, Unsupported
from controller.providers.azure.errors import Throttled
from workload.vault.errors import Wrap, WrapBroken, WrapDenied, WrapRefused, WrapUnavailable
from workload.vault.kms.telling import told

SECRET = "c2VjcmV0IG9mIGFuIGFuc3dlcg"


class SpelledAnswerError(Exception):
    """As an SDK's that shows what it could not read."""


def raised(error: ProviderError) -> Wrap:
    """What becomes of it."""
    with pytest.raises(Wrap) as caught, told("aws", lambda cause: WrapBroken if cause is not None else WrapRefused):
        raise error from (SpelledAnswerError(SECRET) if str(error) == "broken" else None)
    return caught.value


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (Transient("late"), WrapUnavailable),
        (Throttled("slow down"), WrapUnavailable),
        (Conflict("busy"), WrapUnavailable),
        (Denied("no"), WrapDenied),
        (Unsupported("no such key"), WrapRefused),
        (Unsupported("broken"), WrapBroken),
    ],
)
def test_every_error_has_its_word(error: ProviderError, becomes: type[Wrap]) -> None:
    """The cloud is named, and what was seen."""
    found = raised(error)
    assert type(found) is becomes
    assert str(found) == f"aws: {error}"


def test_the_sdks_own_error_stays_behind() -> None:
    """It may spell the answer, and the answer to an unwrap is a key."""
    assert SECRET not in "".join(traceback.format_exception(raised(Unsupported("broken"))))


def test_an_error_of_ours_passes() -> None:
    """It is told already."""
    with pytest.raises(WrapBroken, match="as it is"), told("aws"):
        raise WrapBroken("as it is")
