"""What the lab's issuer decides: who a client is, what it may ask for, and the token it gets. The protocol is authlib's.

Clients prove themselves by their TLS certificate or by a signed statement that is used once (RFC 8705 section 2.1, RFC 7523); tokens
are JWTs bound to the certificate that was shown (RFC 9068, RFC 8705 section 3).
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import DictKey, ECKey, KeySet, RSAKey
from pydantic import BaseModel, ConfigDict, Field

from lab.issuer_statements import NotTaken, SingleUse
from workload.access.keys import Algorithm

GRANT = "client_credentials"
BY_CERTIFICATE, BY_STATEMENT = "tls_client_auth", "private_key_jwt"
LONGEST_STATEMENT = timedelta(minutes=5)
MOST_STATEMENTS = 10_000


class ClientSettings(BaseModel):
    """One registered client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scopes: tuple[str, ...]
    """The word before the colon is the service that they are for, and becomes the token's audience."""
    uri: str | None = None
    """In the certificate by which it proves who it is (`tls_client_auth_san_uri`)."""
    key: Mapping[str, str] | None = Field(default=None, repr=False)
    """Its public key as a JWK, when it proves that by signed statements instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(ClientMixin):  # type: ignore[misc]
    """A client as authlib asks about it."""

    id: str
    settings: ClientSettings
    thumbprint: str | None = None
    """Of the certificate that was shown with this request."""

    def get_client_id(self) -> str:
        """Its id."""
        return self.id

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What it asked for, when it may have all of that; everything it may have, when it asked for nothing."""
        asked = scope.split() if scope else list(self.settings.scopes)
        return " ".join(asked) if asked and set(asked) <= set(self.settings.scopes) else None

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """May it prove itself in this way?"""
        wanted = {BY_CERTIFICATE: self.settings.uri, BY_STATEMENT: self.settings.key}
        return wanted.get(method) is not None

    def check_grant_type(self, grant_type: str) -> bool:
        """Clients act for themselves; nobody logs in here."""
        return grant_type == GRANT


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """One request to the token endpoint, and the certificate that came with it."""

    def __init__(self, uri: str, form: Mapping[str, str], *, names: frozenset[str], thumbprint: str | None) -> None:
        super().__init__("POST", uri)
        self.payload = BasicOAuth2Payload(dict(form))
        self.names, self.thumbprint = names, thumbprint

    @property
    def form(self) -> Mapping[str, str]:
        """What was posted."""
        found: Mapping[str, str] = self.payload.data
        return found


class Grant(ClientCredentialsGrant):  # type: ignore[misc]
    """Client credentials."""

    TOKEN_ENDPOINT_AUTH_METHODS = (BY_STATEMENT, BY_CERTIFICATE)

    def validate_token_request(self) -> None:
        """As authlib does it; the client is then one with the certificate of this request."""
        super().validate_token_request()
        self.request.client = replace(self.request.client, thumbprint=self.request.thumbprint)


class Statement(JWTBearerClientAssertion):  # type: ignore[misc]
    """A client's signed word about itself."""

    CLIENT_AUTH_METHOD = BY_STATEMENT

    def __init__(self, audiences: tuple[str, ...]) -> None:
        super().__init__(leeway=1)  # it counts whole seconds; `SingleUse` looks at the times themselves
        self._audiences = audiences
        self._used = SingleUse(most=MOST_STATEMENTS, longest=LONGEST_STATEMENT, since=time.time())

    def get_audiences(self) -> list[str]:
        """What it must be meant for."""
        return list(self._audiences)

    def validate_jti(self, claims: Mapping[str, Any], jti: object) -> bool:
        """Is this certainly its first use?"""
        if not isinstance(jti, str) or not isinstance(claims.get("iat"), int | float):
            raise InvalidClientError(description="a statement says jti, a text, and iat, when it was signed")
        try:
            self._used.take(f"{claims['sub']} {jti}", issued_at=claims["iat"], ends_at=claims["exp"], now=time.time())
        except NotTaken as refused:
            raise InvalidClientError(description=str(refused)) from refused
        return True

    def resolve_client_public_key(self, client: Client) -> ECKey | RSAKey:
        """The key that was registered."""
        key: DictKey = dict(client.settings.key or {})
        if not key:
            raise InvalidClientError(description="The client has no key.")
        return ECKey.import_key(key) if key.get("kty") == "EC" else RSAKey.import_key(key)


class Signing:
    """The issuer's keys: one signs, the one before it is still published."""

    def __init__(self, algorithm: Algorithm, file: Path | None = None) -> None:
        """`file`: keeps them for the next start. An issuer that came back with new ones would have ended every token that it ever gave.

        Raises OSError, ValueError for a file of another kind.
        """
        self.algorithm, self._file = algorithm, file
        self._keys = self._kept() or [self._new()]
        self._keep()

    @property
    def present(self) -> KeySet:
        """What signs, with its private part."""
        return KeySet([self._keys[-1]])

    def rotate(self) -> None:
        """Sign with a new key from now on. The one before stays published, older ones do not."""
        self._keys = [self._keys[-1], self._new()]
        self._keep()

    def published(self) -> Mapping[str, Any]:
        """The JWKS."""
        return {"keys": [self._show(key, str(key.kid)) for key in self._keys]}

    def wrong(self) -> Mapping[str, Any]:
        """A JWKS with the same ids over keys that signed nothing."""
        return {"keys": [self._show(self._new(), str(key.kid)) for key in self._keys]}

    def _kept(self) -> list[ECKey | RSAKey]:
        if self._file is None or not self._file.exists():
            return []
        kind = ECKey if self.algorithm is Algorithm.ES256 else RSAKey
        return [kind.import_key(one) for one in json.loads(self._file.read_bytes())]

    def _keep(self) -> None:
        if self._file is not None:
            unfinished = self._file.with_name(self._file.name + ".new")
            unfinished.touch(mode=0o600)
            unfinished.write_text(json.dumps([key.as_dict(private=True) for key in self._keys]))
            unfinished.replace(self._file)

    def _new(self) -> ECKey | RSAKey:
        is_curve = self.algorithm is Algorithm.ES256
        key: ECKey | RSAKey = ECKey.generate_key("P-256") if is_curve else RSAKey.generate_key(2048)
        key.ensure_kid()
        return key

    def _show(self, key: ECKey | RSAKey, kid: str) -> Mapping[str, Any]:
        return {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": self.algorithm.value}


class Generator(JWTBearerTokenGenerator):  # type: ignore[misc]
    """Makes access tokens."""

    def __init__(self, issuer: str, signing: Signing, lifetime: timedelta) -> None:
        super().__init__(issuer, alg=signing.algorithm.value, expires_generator=int(lifetime.total_seconds()))
        self._signing = signing

    def get_jwks(self) -> KeySet:
        """What signs now."""
        return self._signing.present

    def get_audiences(self, _client: Client, _user: object, scope: str) -> list[str]:
        """The services that the scopes belong to (RFC 9068 section 3)."""
        return sorted({word.partition(":")[0] for word in scope.split()})

    def get_extra_claims(self, client: Client, _grant_type: str, _user: object, _scope: str) -> Mapping[str, Any]:
        """The bond to the certificate, when one was shown."""
        return {} if client.thumbprint is None else {"cnf": {"x5t#S256": client.thumbprint}}


class Tokens(AuthorizationServer):  # type: ignore[misc]
    """The token endpoint."""

    def __init__(
        self, issuer: str, clients: Mapping[str, ClientSettings], signing: Signing, *, lifetime: timedelta, endpoint: str
    ) -> None:
        """`endpoint`: its own address, which a statement may be meant for as well as for the issuer."""
        super().__init__()
        self._clients = {id: Client(id=id, settings=settings) for id, settings in clients.items()}
        self.register_grant(Grant)
        self.register_client_auth_method(BY_CERTIFICATE, _by_certificate)
        self.register_client_auth_method(BY_STATEMENT, Statement((issuer, endpoint)))
        self.register_token_generator("default", Generator(issuer, signing, lifetime))

    def query_client(self, client_id: str) -> Client | None:
        """The registered client of this id."""
        return self._clients.get(client_id)

    def save_token(self, token: object, request: object) -> None:
        """Tokens are kept nowhere: they say everything themselves."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        """It is one already."""
        return request

    def handle_response(self, status: int, body: Mapping[str, Any], _headers: object) -> tuple[int, Mapping[str, Any]]:
        """Left to whoever asked."""
        return status, body


def _by_certificate(query_client: Any, request: TokenRequest) -> Client | None:
    client: Client | None = query_client(request.payload.client_id)
    return client if client is not None and client.settings.uri in request.names else None
