"""Whatever botocore raises, the caller sees who must act."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from controller.errors import Conflict, Denied, ProviderError, Transient, Unsupported
from controller.providers.aws.errors import BatchRefused, ZoneBusy, translated


def answer(code: str, status: int = 400) -> ClientError:
    """An answer of the API."""
    return ClientError({"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Do")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (answer("Throttling"), Transient),
        (answer("ThrottlingException"), Transient),
        (answer("ServerException", 500), Transient),
        (answer("IDPCommunicationError"), Transient),
        (answer("Nonsense", 503), Transient),
        (answer("408", 408), Transient),
        (answer("429", 429), Transient),
        (answer("AccessDeniedException"), Denied),
        (answer("InvalidIdentityToken"), Denied),
        (answer("Nonsense", 403), Denied),
        (answer("PriorRequestNotComplete"), ZoneBusy),
        (answer("InvalidChangeBatch"), BatchRefused),
        (answer("NoSuchHealthCheck", 404), BatchRefused),
        (answer("InvalidDBInstanceState"), Conflict),
        (answer("ServiceNotActiveException"), Conflict),
        (answer("DBInstanceNotFound", 404), Unsupported),
        (answer("ClusterNotFoundException"), Unsupported),
        (answer("NoSuchHostedZone", 404), Unsupported),
        (answer("Nonsense"), ProviderError),
        (EndpointConnectionError(endpoint_url="x"), Transient),
        (ReadTimeoutError(endpoint_url="x"), Transient),
        (NoCredentialsError(), Denied),
        (KeyError("ChangeInfo"), Transient),
    ],
)
def test_vendor_errors_become_ours(raised: Exception, expected: type[ProviderError]) -> None:
    """With the operation in front."""
    with pytest.raises(ProviderError, match=r"^Do: ") as seen, translated("Do"):
        raise raised
    assert type(seen.value) is expected


def test_what_is_translated_already_stays_as_it_is() -> None:
    """Credentials are fetched inside another call: Denied there is no answer that could not be read."""
    with pytest.raises(Denied, match=r"^inner$"), translated("outer"), translated("inner"):
        raise Denied("inner")
