"""What botocore raises, translated into our own tree by one context manager. Nothing of botocore crosses this border."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)
from botocore.parsers import ResponseParserError

from controller.errors import Conflict, Denied, ProviderError, Transient, Unsupported

THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"}
)
"""Route 53 answers 400 `Throttling` above five requests a second per account, so the status alone does not tell."""
TEMPORARY = frozenset(
    {
        "IDPCommunicationError",
        "InternalError",
        "InternalFailure",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IDPRejectedClaim",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


CONFLICT = frozenset(
    {
        "InvalidDBInstanceState",
        "InvalidDBInstanceStateFault",
        "InvalidRequestException",
        "ServiceNotActiveException",
        "UpdateInProgressException",
    }
)
UNSUPPORTED = frozenset(
    {
        "ClusterNotFoundException",
        "DBInstanceNotFound",
        "DBInstanceNotFoundFault",
        "InvalidInput",
        "InvalidParameterCombination",
        "InvalidParameterException",
        "InvalidParameterValue",
        "NoSuchHostedZone",
        "ResourceNotFoundException",
        "ServiceNotFoundException",
    }
)


class ZoneBusy(Conflict):
    """Route 53 still works on an earlier change of this zone; it asks for the same request again after a pause."""


class BatchRefused(Conflict):
    """Route 53 will not take a batch as it is, and says which of its records it will not take."""


class VersionTaken(Conflict):
    """Secrets Manager has a version of this name already, with another content."""


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise our errors instead of botocore's, with the operation, the vendor's code and the request id in the message.

    A body that is no XML (a proxy's error page, a truncated answer) surfaces as ResponseParserError, not as ClientError:
    the request may have been carried out, so it is Transient. So is everything else that an answer can make the SDK or our own
    reading of it raise: botocore parses a proxy's XHTML page with status 200 to an empty answer, and the first field that is looked
    for in it is a KeyError, which would end every controller that asks.
    """
    try:
        yield
    except ProviderError:  # credentials are fetched inside a call: what became of that is translated already
        raise
    except ClientError as error:
        raise _from_answer(operation, error) from error
    except (ResponseParserError, HTTPClientError, NoConnection, CredentialRetrievalError) as error:
        raise Transient(f"{operation}: {type(error).__name__}: {error}") from error
    except (NoCredentialsError, PartialCredentialsError, TokenRetrievalError) as error:
        raise Denied(f"{operation}: {error}") from error
    except ParamValidationError as error:
        raise Unsupported(f"{operation}: {error}") from error
    except BotoCoreError as error:
        raise ProviderError(f"{operation}: {type(error).__name__}: {error}") from error
    except Exception as error:
        raise Transient(f"{operation}: an answer that cannot be read: {type(error).__name__}: {error}") from error


def _from_answer(operation: str, error: ClientError) -> ProviderError:
    details = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    code, status = str(details.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    text = f"{operation}: {code or status}: {details.get('Message', '')} (request {meta.get('RequestId', 'unknown')})"
    if code in THROTTLED or code in TEMPORARY or status in (408, 429) or status >= 500:
        return Transient(text)
    if code in DENIED or status in (401, 403):
        return Denied(text)
    if code == "PriorRequestNotComplete":
        return ZoneBusy(text)
    if code in ("InvalidChangeBatch", "NoSuchHealthCheck"):
        return BatchRefused(text)
    if code == "ResourceExistsException":
        return VersionTaken(text)
    if code in CONFLICT:
        return Conflict(text)
    if code in UNSUPPORTED:
        return Unsupported(text)
    return ProviderError(text)
