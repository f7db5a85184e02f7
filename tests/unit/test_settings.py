"""A controller's settings: everything that is wrong is told at once, with file, key and what was expected there."""

import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.core.model import Mode, Site
from controller.core.policy import Policy
from controller.errors import SettingsError
from controller.settings import Readiness, Settings, password_variable, read_settings
from controller.settings_policy import ADAPTERS, ELSEWHERE
from controller.settings_tables import duration

SITES = ("aws", "azure", "gcp")
ENVIRON = {"TRIMARAN_PAYMENTS_CONTROL_PASSWORD": "c", "TRIMARAN_PAYMENTS_STREAM_PASSWORD": "s"}

CANARY_OR_READINESS = "either two accounts for test payments, or readiness: by what else a serving site is proven"


def document() -> dict[str, Any]:
    """Settings that are right."""
    place = {site: {"host": "127.0.0.1", "port": 5001 + number} for number, site in enumerate(SITES)}
    return {
        "site": "aws",
        "listen": {"host": "127.0.0.1", "port": 7001},
        "etcd": {"endpoints": ["http://127.0.0.1:2001", "http://127.0.0.1:2002/"]},
        "sites": {site: {"edge": "http://127.0.0.1:8001"} for site in SITES},
        "services": {
            "payments": {
                "mode": "automatic",
                "writer": "azure",
                "shares": {"aws": 2, "azure": 1.0, "gcp": 1.0},
                "canary": {
                    "debtor": "00000000-0000-0000-0000-000000000001",
                    "creditor": "00000000-0000-0000-0000-000000000002",
                    "currency": "EUR",
                },
                "databases": {site: dict(place[site]) for site in SITES},
                "streams": {
                    site: {other: {**place[other], "options": "sslmode=verify-full"} for other in SITES if other != site}
                    for site in SITES
                },
                "capacity": {"aws": {"floor": 4, "name": "payments", "cluster": "main"}},
                "replicas": {"gcp": {"server": "payments-reports"}},
                "servers": {site: {"server": f"payments-{site}"} for site in SITES},
                "policy": {"probe_interval": "200ms", "velocity_window": "10m", "misses_to_accuse": 4, "required_capacity": 1},
            }
        },
        "clouds": {
            "aws": {"region": "eu-west-1"},
            "azure": {
                "subscription": "s-1",
                "resource_group": "g-1",
                "identity": {"tenant": "t-1", "client": "c-1", "token_file": "token"},
            },
            "gcp": {"project": "p-1", "identity": {"kind": "static"}},
        },
        "authorities": {"route53": {"zone": "Z1"}, "azure": {"zone": "trimaran.test"}, "clouddns": {"zone": "main"}},
        "groups": {
            "payments": {
                "lead": "payments",
                "members": ["screening"],
                "names": [{"name": "payments.g.trimaran.test", "ttl": 2}],
                "addresses": dict.fromkeys(SITES, "192.0.2.1"),
            }
        },
    }


def spelled(value: object) -> str:
    """A value as TOML, tables inline."""
    match value:
        case dict():
            return "{" + ", ".join(f'"{key}" = {spelled(item)}' for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(spelled, value)) + "]"
        case bool():
            return str(value).lower()
        case str():
            return '"' + value + '"'
        case _:
            return str(value)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Settings]:
    """Writes a document and reads it as settings."""

    def write_and_read(given: dict[str, Any], environ: dict[str, str] = ENVIRON) -> Settings:
        text = "\n".join(f'"{key}" = {spelled(value)}' for key, value in given.items())
        assert tomllib.loads(text) is not None
        path = tmp_path / "aws.toml"
        path.write_text(text)
        return read_settings(path, environ)

    return write_and_read


def problems(read: Callable[..., Settings], given: dict[str, Any], environ: dict[str, str] = ENVIRON) -> dict[str, str]:
    """Key of every problem, and what was expected there."""
    with pytest.raises(SettingsError) as refused:
        read(given, environ)
    assert all(problem.file for problem in refused.value.problems)
    return {problem.key: problem.expected for problem in refused.value.problems}


def test_right_settings_become_values(read: Callable[..., Settings]) -> None:
    """Durations are durations, URLs lose their last slash, policy and passwords are in place, secrets are not shown."""
    settings = read(document())
    service = settings.services["payments"]
    assert (settings.site, settings.listen.port) == ("aws", 7001)
    assert settings.etcd == ("http://127.0.0.1:2001", "http://127.0.0.1:2002")
    assert service.policy.probe_interval == timedelta(seconds=0.2)
    assert service.policy.velocity_window == timedelta(minutes=10)
    assert (service.policy.mode, service.policy.share(Site("aws")), service.policy.misses_to_accuse) == (Mode.AUTOMATIC, 2.0, 4)
    assert service.streams[Site("aws")][Site("azure")].options == "sslmode=verify-full"
    assert (service.control_password, service.stream_password) == ("c", "s")
    assert "control_password" not in repr(service)
    assert settings.clouds.aws is not None and settings.clouds.aws.endpoint is None
    assert settings.led_by("payments") == ("payments",) and settings.led_by("screening") == ()
    assert [settings.sites[Site(site)].cloud for site in SITES] == list(SITES), "named after their clouds"
    assert service.capacity[Site("aws")].floor == 4 and service.policy.replicas == {"gcp"}


def test_a_service_without_payments_is_proven_by_its_readiness(read: Callable[..., Settings]) -> None:
    """The vault has no accounts; and a service that is proven by nothing, or by both, is refused."""
    given = document()
    service = given["services"]["payments"]
    canary = service.pop("canary")
    assert problems(read, given, ENVIRON) == {"services.payments.canary": CANARY_OR_READINESS}
    service["readiness"] = {"host": "vault.trimaran.test"}
    assert read(given).services["payments"].canary == Readiness(host="vault.trimaran.test")
    service["canary"] = canary
    assert problems(read, given, ENVIRON) == {"services.payments.canary": CANARY_OR_READINESS}


def test_every_field_of_the_policy_can_be_set() -> None:
    """A field that people may set and the settings do not know would keep its default for ever."""
    assert set(ADAPTERS) | set(ELSEWHERE) == {field.name for field in fields(Policy)}


def test_everything_wrong_is_told_at_once(read: Callable[..., Settings]) -> None:
    """Shapes, unknown keys, contradictions between tables, policy and environment: one reading, all of them."""
    given = document()
    service = given["services"]["payments"]
    given["site"] = "mars"
    given["listen"]["port"] = 70000
    given["listne"] = {}
    given["etcd"]["endpoints"] = ["2001"]
    del given["sites"]["gcp"]["edge"]
    service["mode"] = "auto"
    service["writer"] = "pluto"
    service["shares"]["gcp"] = 0
    service["canary"]["creditor"] = service["canary"]["debtor"]
    del service["databases"]["gcp"]
    del service["streams"]["aws"]["azure"]
    service["streams"]["gcp"]["gcp"] = {"host": "x", "port": 1}
    del given["groups"]["payments"]["addresses"]["aws"]
    given["groups"]["payments"]["lead"] = "cards"
    service["replicas"]["pluto"] = {"server": "x"}
    service["servers"]["pluto"] = {"server": "x"}
    del given["clouds"]["gcp"], given["clouds"]["azure"]["identity"]["tenant"]
    service["policy"] |= {"probe_interval": "fast", "vantages": 1, "mode": "manual", "retries": 3, "misses_to_drain": 1}
    found = problems(read, given, {})
    top = "services.payments"
    assert set(found) == {
        "site",
        "listen.port",
        "listne",
        "etcd.endpoints.0",
        "sites.gcp.edge",
        f"{top}.mode",
        f"{top}.writer",
        f"{top}.shares.gcp",
        f"{top}.canary.creditor",
        f"{top}.databases.gcp",
        f"{top}.streams.aws.azure",
        f"{top}.streams.gcp.gcp",
        f"{top}.replicas.pluto",
        f"{top}.servers.pluto",
        "groups.payments.addresses.aws",
        "groups.payments.lead",
        "clouds.gcp",
        "clouds.azure.identity.tenant",
        f"{top}.policy.probe_interval",
        f"{top}.policy.vantages",
        f"{top}.policy.mode",
        f"{top}.policy.retries",
        f"{top}.policy.misses_to_drain",
        "TRIMARAN_PAYMENTS_CONTROL_PASSWORD",
        "TRIMARAN_PAYMENTS_STREAM_PASSWORD",
    }
    assert "250ms" in found[f"{top}.policy.probe_interval"] and "aws, azure, gcp" in found["site"]
    assert "automatic" in found[f"{top}.mode"] and "missing" in found[f"{top}.databases.gcp"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("probe_interval", 250),
        ("probe_interval", "1 s"),
        ("probe_interval", "-1s"),
        ("probe_interval", "0s"),
        ("misses_to_accuse", 2.5),
        ("misses_to_accuse", True),
        ("required_capacity", "1"),
        ("vantages", 4),
        ("velocity_window", "0s"),
        ("velocity_window", "59s"),
        ("velocity_window", "99999999999h"),
        ("probe_timeout", "999999000h"),
        ("misses_to_accuse", 10**20),
        ("minimum_serving", 0),
        ("minimum_serving", 4),
        ("required_capacity", -9),
        ("required_capacity", 3.1),
        ("loop_slack", "0s"),
        ("loop_slack", "1h"),
        ("dwell", "0s"),
        ("capacities", {"mars": 1.0}),
        ("freezes", [{"start": "yesterday", "end": "today", "reason": "x"}]),
        ("probe_patience", "1s"),
        ("freshness", "100ms"),
    ],
)
def test_a_bad_policy_names_its_key(read: Callable[..., Settings], key: str, value: object) -> None:
    """One bad field is one problem under its own key, whatever is wrong with it."""
    given = document()
    given["services"]["payments"]["policy"] = {key: value}
    assert all(name.startswith(f"services.payments.policy.{key}") for name in problems(read, given))


def test_freezes_are_windows_with_zones(read: Callable[..., Settings], tmp_path: Path) -> None:
    """TOML's own date-times; one without a zone could mean three different hours on three controllers."""
    read(document())
    path = tmp_path / "aws.toml"
    text = path.read_text()
    window = '[{{ start = 2026-12-24T00:00:00{zone}, end = 2026-12-27T00:00:00{zone}, reason = "quiet" }}]'
    path.write_text(text.replace('"probe_interval"', f'"freezes" = {window.format(zone="Z")}, "probe_interval"'))
    assert read_settings(path, ENVIRON).services["payments"].policy.freezes[0].reason == "quiet"
    path.write_text(text.replace('"probe_interval"', f'"freezes" = {window.format(zone="")}, "probe_interval"'))
    with pytest.raises(SettingsError):
        read_settings(path, ENVIRON)


def test_two_sites_may_not_have_one_database(read: Callable[..., Settings]) -> None:
    """gcp's address is aws's: everything asked of gcp would be answered by aws, and two confirmations would be one disk."""
    given = document()
    service = given["services"]["payments"]
    service["databases"]["gcp"] = {"host": "127.0.0.1", "port": 5001}
    service["streams"]["azure"]["gcp"] = {"host": "127.0.0.1", "port": 5001}
    top = "services.payments"
    assert set(problems(read, given)) == {f"{top}.databases.gcp", f"{top}.streams.azure.gcp"}
    service["databases"]["gcp"]["host"] = service["streams"]["azure"]["gcp"]["host"] = "127.0.0.2"
    assert read(given)


@pytest.mark.parametrize("option", ["host=x", "hostaddr=127.0.0.9", "port=1", "dbname=x", "user=x", "service=x"])
def test_options_lead_nowhere_else(read: Callable[..., Settings], option: str) -> None:
    """What a table says about the place is all there is to say about it."""
    given = document()
    given["services"]["payments"]["databases"]["aws"]["options"] = f"sslmode=require {option}"
    found = problems(read, given)
    assert option.split("=")[0] in found["services.payments.databases.aws.options"]


TOKEN = "a-token-of-this-test"


def with_token(folder: Path, text: str = TOKEN, mode: int = 0o600) -> dict[str, Any]:
    """Right settings that name a token file beside them."""
    path = folder / "token"
    path.write_text(f"{text}\n")
    path.chmod(mode)
    given = document()
    given["listen"]["token_file"] = "token"
    return given


def test_the_token_is_read_from_its_file(read: Callable[..., Settings], tmp_path: Path) -> None:
    """Beside the settings, or wherever an absolute path leads; it is not shown. Without one, orders are not taken."""
    listen = read(with_token(tmp_path)).listen
    assert listen.token == TOKEN and TOKEN not in repr(listen)
    assert read(document()).listen.token is None


@pytest.mark.parametrize(("text", "mode"), [("", 0o600), ("short", 0o600), ("two words of a token", 0o600), (TOKEN, 0o640)])
def test_a_token_that_protects_nothing_is_refused(read: Callable[..., Settings], tmp_path: Path, text: str, mode: int) -> None:
    """Guessed in a minute, no header value, or there for the whole group to read."""
    assert set(problems(read, with_token(tmp_path, text, mode))) == {"listen.token_file"}


def test_a_token_file_that_is_not_there_is_a_problem(read: Callable[..., Settings]) -> None:
    """No controller starts without the token it was meant to have."""
    given = document()
    given["listen"]["token_file"] = "token"
    assert "No such file" in problems(read, given)["listen.token_file"]


@pytest.mark.parametrize(("host", "local"), [("localhost", False), ("127.0.0.9", True), ("::1", True), ("0.0.0.0", False)])
def test_other_machines_are_let_in_with_a_token_only(
    read: Callable[..., Settings], tmp_path: Path, host: str, *, local: bool
) -> None:
    """A listener that others reach, and nothing that tells them apart, is no setting anybody means."""
    given = document()
    given["listen"]["host"] = host
    if local:
        assert read(given).listen.local
    else:
        assert set(problems(read, given)) == {"listen.token_file"}
        given = with_token(tmp_path)
        given["listen"]["host"] = host
        assert not read(given).listen.local


@pytest.mark.parametrize("name", ["Aws", "a-b", "a_b", "a" * 13, ""])
def test_names_that_no_slot_could_carry_are_refused(read: Callable[..., Settings], name: str) -> None:
    """Sites and services become part of PostgreSQL's names for slots."""
    given = document()
    given["sites"][name] = given["sites"]["gcp"]
    assert f"sites.{name}" in problems(read, given)


@pytest.mark.parametrize(
    "name", ["Payments", "pay-in", "1pay", "_pay", "pay.in", "päy", "a" * 21, "", "sessions", "postgres", "pay_e1"]
)
def test_a_service_whose_name_cannot_be_used_is_told_under_its_key(read: Callable[..., Settings], name: str) -> None:
    """No text for a slot, or a name that something else goes by; whatever else is wrong in the file is told beside it."""
    given = document()
    given["services"][name] = given["services"]["payments"]
    given["site"] = "mars"
    found = problems(read, given)
    assert "name" in found[f"services.{name}"] and "site" in found


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Missing, a folder, not UTF-8, not TOML: one problem each, without a word about what could not be looked at."""
    broken, binary = tmp_path / "broken.toml", tmp_path / "binary.toml"
    broken.write_text("site = \n")
    binary.write_bytes(b'site = "\xff"')
    for path in (tmp_path / "none.toml", tmp_path, broken, binary):
        with pytest.raises(SettingsError) as refused:
            read_settings(path, {})
        assert len(refused.value.problems) == 1 and str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    "given", ["", "services = 1\n", "[services]\npayments = 2\n", "[sites]\naws = 3\n[etcd]\nendpoints = 4\n"]
)
def test_the_wrong_kind_of_table_is_a_problem_and_no_crash(tmp_path: Path, given: str) -> None:
    """Whatever stands where a table belongs."""
    path = tmp_path / "aws.toml"
    path.write_text(given)
    with pytest.raises(SettingsError):
        read_settings(path, {})


@pytest.mark.parametrize("value", [[], {}, {"a": 1}, "x", 1.5, True, -1])
def test_whatever_stands_in_a_place_is_a_problem_and_no_crash(read: Callable[..., Settings], value: object) -> None:
    """Wherever one table is compared with another, too."""
    for keys in (("listen", "host"), ("listen", "token_file"), ("listen", "port"), ("sites", "aws"), ("etcd", "endpoints")):
        given = document()
        given[keys[0]][keys[1]] = value
        with pytest.raises(SettingsError):
            read(given)
    service = ("services", "payments")
    for path in (
        (*service, "databases", "gcp", "port"),
        (*service, "databases", "gcp"),
        (*service, "streams", "aws", "gcp", "port"),
    ):
        given = document()
        place: Any = given
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(SettingsError):
            read(given)


def test_durations_are_written_as_people_write_them() -> None:
    """Units are needed, and there are four of them."""
    assert [duration(text) for text in ("250ms", "2s", "1.5s", "10m", "1h")] == [
        timedelta(seconds=seconds) for seconds in (0.25, 2, 1.5, 600, 3600)
    ]
    assert duration("8760h") == timedelta(days=365)
    for text in ("8761h", "99999999999h", "1" * 400 + "h"):
        with pytest.raises(ValueError, match="at most 365 days"):
            duration(text)


def test_password_variables_carry_the_service() -> None:
    """Two services of one controller have two passwords each."""
    assert password_variable("vault_x", "control") == "TRIMARAN_VAULT_X_CONTROL_PASSWORD"
