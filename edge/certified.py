"""Which certificate a client holds, as lines of HAProxy's configuration: seen at this edge's own door, or told by a balancer. Pure.

See docs/decisions/0012 and 0019. Said by anybody else, it would let a token that was stolen be used without the key it is bound to.
"""

from collections.abc import Iterable

from edge.quoting import quoted
from edge.settings import Secure, Settings, Told

THUMBPRINT = "Client-Cert-Thumbprint"
"""SHA-256 of the certificate whose key the client holds, base64url: what its token must be bound to (RFC 8705). Our own word."""

WORD, DOOR = "Edge-Word", "Edge-Door"
"""What a balancer proves itself by, and which of its doors a request came to."""
PRESENT, VERIFIED, DIGEST = "Client-Cert-Present", "Client-Cert-Verified", "Client-Cert-Sha256"
"""What it says of the client's certificate: `true` or `false` twice, and SHA-256 in base64."""
BESIDE = ("Client-Cert-Names", "Client-Cert")
"""What it says as well, and nobody here reads."""
CLIENTS = "clients"
"""The door that clients come to."""

SECURE_ONLY = (
    '{"type":"urn:trimaran:problem:tls-required","title":"Tls required","status":403,"outcome":"nothing-happened","detail":"Whatever was '
    'sent here could be read on the way. Use https, and renew a token that was sent"}'
)
NO_DOOR = (
    '{"type":"urn:trimaran:problem:no-door","title":"No door","status":503,"outcome":"nothing-happened","detail":"Only clients come in '
    'through this balancer"}'
)

_KNOWN = "{ var(txn.told) -m bool }"
_REMOVED = f"http-request del-header {THUMBPRINT}"


def certified(settings: Settings) -> Iterable[str]:
    """The clients' doors, whatever is behind them: a client never says itself which certificate it holds."""
    if settings.secure is not None:
        return _seen(settings.secure)
    if settings.told is not None:
        return _heard(settings.told)
    return (_REMOVED,)


def turned_away(settings: Settings) -> Iterable[str]:
    """With a door for TLS the other one is for questions about the site: what is sent to the service there could be read on the way. So
    could what comes past the balancer."""
    problem = f"status 403 content-type application/problem+json string {quoted(SECURE_ONLY)}"
    rule = f"http-request return {problem} if {{ path_reg ^/v[0-9]+/ }}"
    if settings.secure is not None:
        return (f"{rule} !{{ ssl_fc }}",)
    return () if settings.told is None else (f"{rule} !{_KNOWN}",)


def _seen(secure: Secure) -> Iterable[str]:
    papers = f"crt {quoted(secure.certificate)} ca-file {quoted(secure.authority)} verify optional"
    return (
        # HTTP/1.1 alone: `Connection: close`, by which a drained site lets its clients go, is no header of HTTP/2.
        f"bind {secure} ssl {papers} alpn http/1.1",
        _REMOVED,
        # Not `ssl_fc_has_crt`, which says no for a session that was resumed.
        f"http-request set-header {THUMBPRINT} %[ssl_c_der,sha2(256),ub64enc] if {{ ssl_c_der -m found }}",
    )


def _heard(told: Told) -> Iterable[str]:
    """A balancer that is asked to replace a header may not do so when it has nothing to say there: without a certificate the digest would
    be the client's own. So nothing counts before both trues, and nothing that is said twice: a value that was added to the client's would
    leave the choice to the client."""
    once = (f"acl told-once-{name.lower()} req.hdr_cnt({name}) eq 1" for name in (DOOR, PRESENT, VERIFIED, DIGEST))
    believed = " ".join(f"told-once-{name.lower()}" for name in (PRESENT, VERIFIED, DIGEST))
    return (
        f"acl balancer req.hdr({WORD}) -m str -f {quoted(told.word)}",
        *once,
        f"acl at-clients-door req.hdr({DOOR}) -m str {CLIENTS}",
        f"acl certificate-present req.hdr({PRESENT}) -m str true",
        f"acl certificate-verified req.hdr({VERIFIED}) -m str true",
        # 32 bytes. Padded as base64 is, or not: a program that compares what Google writes leaves the padding out.
        f"acl certificate-digest req.hdr({DIGEST}) -m reg ^[A-Za-z0-9+/]{{43}}=?$",
        _REMOVED,
        # A door that nobody answers at yet. Taken for the clients', it would send what another site handed over back to that site.
        f"http-request return status 503 content-type application/problem+json string {quoted(NO_DOOR)} "
        f"if balancer !at-clients-door or balancer !told-once-{DOOR.lower()}",
        "http-request set-var(txn.told) bool(true) if balancer",
        f"http-request set-header {THUMBPRINT} %[req.hdr({DIGEST}),regsub(=,,),concat(=),b64dec,ub64enc] "
        f"if balancer {believed} certificate-present certificate-verified certificate-digest",
        # Whose word it was stays here: a service or another site that learned it could be this balancer.
        *(f"http-request del-header {name}" for name in (WORD, DOOR, PRESENT, VERIFIED, DIGEST, *BESIDE)),
    )
