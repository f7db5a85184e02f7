"""HAProxy's configuration for one edge, as text. Pure: settings in, text out; for HAProxy 2.4 or newer (configuration manual).

Rules for changing this file: weights are the agent's, everything that must react faster than a tick is HAProxy's own. What the
configuration starts with is what an edge without an agent does: its own site serves, and others help when its service is down.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from edge.certified import certified, turned_away
from edge.quoting import quoted
from edge.settings import Local, Peer, Settings

PAYMENTS, READINESS, HANDED, CHECKED = "payments", "readiness", "handed", "checked"
LOCAL, SPARE = "local", "spare"
BEACON = "/beacon"
OWN_PATHS = ("/healthz", "/readyz")
"""About this site alone, never handed over: a peer's answer would tell the controllers that a dead service is well, and give a
drained site its traffic back."""

SPAN, SITE, RECEIVED, TRACE = "Edge-Span", "Edge-Site", "Edge-Received", "traceparent"
"""What the edge says of itself, in place of whatever a client says there; see `workload/telemetry/propagation.py`."""

NAMES, EVER = "names", "24d"
"""The resolvers section; and the longest time that HAProxy counts, 2^31 ms."""

CONNECT = "500ms"
"""Of one attempt, TLS included. A black hole costs a client this much, once, until a check has noticed it."""

RETRIES = 3
"""Attempts after the first: the connection that broke, the one that is refused, and another site, with one to spare."""

NOT_OFFERED = '{"type":"urn:trimaran:problem:not-found","title":"Not found","status":404,"outcome":"nothing-happened"}'
"""For everything else: a service's metrics and whatever it grows later are no business of the public's."""

PROBLEM = (
    '{"type":"urn:trimaran:problem:no-site","title":"No site","status":%d,"outcome":"unknown","detail":"No site could be asked, or '
    'the one that was asked gave no answer. Repeat the request with the same Idempotency-Key to learn what happened"}'
)
"""RFC 9457, as the service tells its own. The outcome is unknown also when nobody could be asked at the end: an earlier attempt of
the same request may have arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """One service of the site, and the names of what stands for it in the configuration."""

    requests: str
    """Takes clients' requests: the own instance, and other sites' doors."""
    handed: str
    """Takes what other sites hand over: the own instance or nobody."""
    checked: str
    """Answers the checks of other sites' edges."""
    own: str
    """Answers about the own instance, health checks of clients."""
    local: Local
    hosts: tuple[str, ...] = ()
    """By which it is told from the others; none: whatever is nobody else's is for it."""

    @property
    def host(self) -> str:
        """By which checks ask for it."""
        return self.hosts[0] if self.hosts else "edge"

    @property
    def wanted(self) -> str:
        """Name of the condition that a request is for this service."""
        return f"for-{self.requests}"


def lead(settings: Settings) -> Backends:
    """The service that the edge is for."""
    return Backends(requests=PAYMENTS, handed=HANDED, checked=CHECKED, own="own", local=settings.local)


def companions(settings: Settings) -> tuple[Backends, ...]:
    """The other services behind the same doors."""
    return tuple(
        Backends(
            requests=f"companion-{name}",
            handed=f"{HANDED}-{name}",
            checked=f"{CHECKED}-{name}",
            own=f"own-{name}",
            local=one,
            hosts=tuple(host.lower() for host in one.hosts),
        )
        for name, one in settings.companions.items()
    )


def peer(site: str) -> str:
    """The server that stands for another site."""
    return f"peer-{site}"


def render(settings: Settings) -> str:
    """The whole configuration."""
    services = (lead(settings), *companions(settings))
    sections = (
        _process(settings),
        _defaults(settings),
        *((_names(),) if any(_is_name(one.host) for one in settings.peers.values()) else ()),
        _clients(settings),
        _handed(settings),
        _agent(settings),
        *(_about(one) for one in services),
        *(_taken(one) for one in services),
        *(_checked(one) for one in services),
        *(_requests(settings, one) for one in services),
        _readiness(settings),
    )
    return "\n\n".join(_section(*lines) for lines in sections) + "\n"


def _section(name: str, *lines: str) -> str:
    return "\n".join((name, *(f"    {line}" for line in lines)))


def _process(settings: Settings) -> Iterable[str]:
    threads = settings.haproxy.threads
    return (
        "global",
        "log stdout format raw daemon notice",
        f"stats socket {quoted(settings.haproxy.socket)} mode 600 level admin",
        "ssl-default-bind-options ssl-min-ver TLSv1.2",
        "ssl-default-server-options ssl-min-ver TLSv1.2",
        *((f"nbthread {threads}",) if threads else ()),
    )


def _defaults(settings: Settings) -> Iterable[str]:
    answer = round(settings.answer.total_seconds() * 1000)
    return (
        "defaults",
        "mode http",
        "log global",
        f"timeout connect {CONNECT}",
        f"timeout server {answer}ms",
        "timeout client 5s",
        "timeout http-request 5s",
        "timeout http-keep-alive 75s",
        "timeout check 400ms",
        *_problems({code: code for code in (502, 503, 504)}),
    )


def _problems(told: Mapping[int, int]) -> Iterable[str]:
    """What HAProxy says by itself, by the status it has for it, and the status that the client will see."""
    kind = "content-type application/problem+json hdr Retry-After 1"
    return (f"http-error status {code} {kind} string {quoted(PROBLEM % seen)}" for code, seen in told.items())


def _names() -> Iterable[str]:
    """Where peers' names are looked up while HAProxy runs. The last address stands however long nobody answers for its name; HAProxy's
    own 30 s would end all hand-overs in an outage of DNS."""
    return (
        f"resolvers {NAMES}",
        "parse-resolv-conf",
        *(f"hold {outcome} {EVER}" for outcome in ("nx", "refused", "timeout", "other")),
    )


def _clients(settings: Settings) -> Iterable[str]:
    return (
        "frontend clients",
        "no log",
        f"bind {settings.clients}",
        *certified(settings),
        # A POST without a key may have been carried out when its answer is lost: sent again, it is paid twice.
        "acl repeatable method GET HEAD",
        "acl repeatable req.hdr(idempotency-key) -m found",
        "http-request disable-l7-retry unless repeatable",
        *_followed(settings),
        *_offered(BEACON, *OWN_PATHS),
        *turned_away(settings),
        *_told_apart(settings),
        # A client that keeps one connection for all its requests outlives every TTL, and would be handed over for ever.
        f"http-after-response set-header Connection close if {{ srv_uweight({HANDED}/{LOCAL}) eq 0 }}",
        f"use_backend agent if {{ path {BEACON} }}",
        *(f"use_backend {one.own} if {{ path {' '.join(OWN_PATHS)} }} {one.wanted}" for one in companions(settings)),
        f"use_backend own if {{ path {' '.join(OWN_PATHS)} }}",
        *(f"use_backend {one.requests} if {one.wanted}" for one in companions(settings)),
        f"default_backend {PAYMENTS}",
    )


def _followed(settings: Settings) -> Iterable[str]:
    """The edge's own part of a trace. HAProxy as distributions ship it sends no spans: the service tells this one for it. Whoever begins
    no trace gets one that is begun here and, like everybody's who does not ask for it, sampled by the service's own rule."""
    span = "%[var(txn.span)]"
    return (
        "http-request set-var(txn.span) uuid,regsub(-,,g),bytes(0,16)",
        f"http-request set-header {SPAN} {span}",
        f"http-request set-header {SITE} {settings.site}",
        f"http-request set-header {RECEIVED} %[date(0,us)]",
        f"http-request set-header {TRACE} 00-{span}{span}-{span}-00 unless {{ req.hdr({TRACE}) -m found }}",
    )


def _told_apart(settings: Settings) -> Iterable[str]:
    """By the name that was asked for, without the port that a client may say with it."""
    return (f"acl {one.wanted} req.hdr(host),field(1,:),lower -m str {' '.join(one.hosts)}" for one in companions(settings))


def _local(local: Local) -> str:
    """The own instance, with both sides' names verified when it is spoken to over TLS."""
    tls = local.tls
    if tls is None:
        return str(local)
    papers = f"crt {quoted(tls.certificate)} ca-file {quoted(tls.authority)} verify required"
    return f"{local} ssl {papers} verifyhost {tls.name} sni str({tls.name}) check-sni {tls.name}"


def _handed(settings: Settings) -> Iterable[str]:
    """What was handed over once goes to the own service or nowhere: two sites that each believe in the other would play ball. What the
    other edge says about its client's certificate is passed on: it saw the client, and its own certificate says that it is an edge."""
    return (
        "frontend peers",
        "no log",
        f"bind {settings.handed} ssl {_certificates(settings)}",
        "http-request disable-l7-retry",
        *_offered(*OWN_PATHS),
        *_told_apart(settings),
        f"acl question path {' '.join(OWN_PATHS)}",
        *(f"use_backend {one.checked} if question {one.wanted}" for one in companions(settings)),
        f"use_backend {CHECKED} if question",
        *(f"use_backend {one.handed} if {one.wanted}" for one in companions(settings)),
        f"default_backend {HANDED}",
    )


def _offered(*paths: str) -> Iterable[str]:
    return (
        "acl offered path_reg ^/v[0-9]+/",
        f"acl offered path {' '.join(paths)}",
        f"http-request return status 404 content-type application/problem+json string {quoted(NOT_OFFERED)} unless offered",
    )


def _agent(settings: Settings) -> Iterable[str]:
    """The beacon is public. Asked by everybody at once, the agent would answer some of them too late, and health checks would find a
    site dark that serves; it would look at HAProxy too late as well. What waits, waits in HAProxy."""
    return ("backend agent", "retries 0", "timeout server 300ms", f"server agent {settings.agent} maxconn 16")


def _about(one: Backends) -> Iterable[str]:
    """Who asks about the own instance is answered by it or by nobody."""
    return (f"backend {one.own}", "retries 0", f"server {LOCAL} {_local(one.local)} track {one.requests}/{LOCAL}")


def _taken(one: Backends) -> Iterable[str]:
    """What this edge says for a service that gave no answer becomes 502, which the edge that handed over takes to another site. A
    service says 502 never, and 503 when every other site would say the same."""
    return (
        f"backend {one.handed}",
        "retries 0",
        "http-response set-var(txn.answered) bool(true)",
        "http-after-response set-status 502 unless { var(txn.answered) -m bool }",
        *_problems(dict.fromkeys((502, 503, 504), 502)),
        f"server {LOCAL} {_local(one.local)} weight 256 track {one.requests}/{LOCAL}",
    )


def _checked(one: Backends) -> Iterable[str]:
    """Checks of the other edges: whether what they would hand over would be taken. Every check is the first request of a connection, which
    HAProxy sends over one that was made for it unless it is told otherwise: each service would shake hands with HAProxy for every check
    of every peer, many times a second in a fleet where nothing happens. A check that meets a connection which just ended
    fails, and one that fails alone condemns nobody; a payment is never sent over a connection that may have ended (`_taken`)."""
    return (
        f"backend {one.checked}",
        "retries 0",
        "http-reuse always",
        f"http-request return status 503 if {{ srv_uweight({one.handed}/{LOCAL}) eq 0 }}",
        f"server {LOCAL} {_local(one.local)} track {one.requests}/{LOCAL}",
    )


def _requests(settings: Settings, one: Backends) -> Iterable[str]:
    """503 is not retried: the service says it when the writer is out of reach, and every other site asks the same writer. An outage
    of the database would arrive three times."""
    own = f"{_local(one.local)} check inter 1s fastinter 50ms downinter 100ms fall 2 rise 2"
    return (
        f"backend {one.requests}",
        "balance roundrobin",
        f"retries {RETRIES}",
        "option redispatch 1",
        "retry-on conn-failure empty-response response-timeout 502",
        # It can send again only what it had as a whole before it sent anything; most clients send head and body one after the other.
        "option http-buffer-request",
        *_asked("/healthz", one.host),
        # The others keep their weights meanwhile. As backup servers they would not count as servers to go to at once: HAProxy waits
        # for the length of a connection attempt before it tries again with no other server than the one that failed.
        f"use-server {LOCAL} if {{ srv_uweight({one.requests}/{LOCAL}) eq 256 }}",
        # One refused connection says enough about a process on the same machine: the attempt after it goes elsewhere.
        f"server {LOCAL} {own} weight 256 observe layer4 error-limit 1 on-error mark-down",
        *(
            f"server {peer(site)} {_door(settings, other)} weight 1 check inter 500ms fastinter 200ms downinter 500ms fall 2 rise 2"
            for site, other in settings.others.items()
        ),
        f"server {SPARE} {_local(one.local)} weight 0 backup track {one.requests}/{LOCAL}",
    )


def _readiness(settings: Settings) -> Iterable[str]:
    """Takes no requests: whose write path works, asked through the same doors. The servers above are checked for life only. Checked
    for readiness, all of them would be down when the writer dies, and payments would wait for checks after it is replaced."""
    pace = "check inter 1s fall 2 rise 1"
    return (
        f"backend {READINESS}",
        "timeout check 1s",
        *_asked("/readyz", lead(settings).host),
        f"server {LOCAL} {_local(settings.local)} {pace}",
        *(f"server {peer(site)} {_door(settings, one)} {pace}" for site, one in settings.others.items()),
    )


def _asked(path: str, host: str) -> Iterable[str]:
    return (
        "option httpchk",
        f"http-check send meth GET uri {path} ver HTTP/1.1 hdr Host {host}",
        "http-check expect status 200",
    )


def _door(settings: Settings, one: Peer) -> str:
    """Another site's door, with both sides' names verified."""
    name = f"verifyhost {one.name} sni str({one.name}) check-sni {one.name}"
    # Looked up at the start, one name that says nothing keeps HAProxy from starting, and the site from its own service.
    found = f" init-addr none resolvers {NAMES}" if _is_name(one.host) else ""
    return f"{one}{found} ssl {_certificates(settings)} {name}"


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def _certificates(settings: Settings) -> str:
    identity = settings.identity
    return f"crt {quoted(identity.certificate)} ca-file {quoted(identity.authority)} verify required"
