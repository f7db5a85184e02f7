"""A plan of founding: what it asks of which vendor, in which order, and what it refuses."""

from dataclasses import replace
from uuid import UUID

import pytest

from controller.errors import Refused
from controller.founding.ground import LENT, ORIGINS, Within, mark
from controller.founding.plan import plan
from controller.founding.step import VERIFIER, Account, Dial, Login, Stage
from tests.unit.founding.grounds import AWS, AZURE, GCP, OWN, SITES, VENDORS, WANTED, grounds

CANARY = Account(id=UUID(int=1), currency="EUR")
PAID = replace(WANTED, canaries=(CANARY,))


def role(stages: tuple[Stage, ...], site: str, name: str) -> str:
    """The script that makes a role."""
    (found,) = (step.run for stage in stages for step in stage.steps if step.site == site and step.does == f"role {name}")
    return found


def test_stages_come_in_the_order_in_which_they_can() -> None:
    """The marker of the first epoch is the last thing: before it everything may be looked at anew."""
    stages = plan(PAID, grounds())
    assert [stage.name for stage in stages] == [
        "roles and databases", "schemas", "slots", "streams", "spare subscriptions", "first epoch", "accounts",
    ]  # fmt: skip
    sites = {stage.name: [step.site for step in stage.steps] for stage in stages}
    assert set(sites["roles and databases"]) == set(sites["schemas"]) == set(sites["spare subscriptions"]) == set(SITES)
    assert sites["streams"] == [AWS, GCP] and sites["first epoch"] == sites["accounts"] == [AZURE]


def test_the_writer_keeps_slots_for_followers_and_followers_for_each_other() -> None:
    """Two acknowledging, two spare."""
    (slots,) = (stage for stage in plan(WANTED, grounds()) if stage.name == "slots")
    assert sorted((step.site, step.parameters[0]) for step in slots.steps) == [
        (AWS, "bank_spare_e1_aws_gcp"),
        (AZURE, "bank_e1_azure_aws"),
        (AZURE, "bank_e1_azure_gcp"),
        (GCP, "bank_spare_e1_gcp_aws"),
    ]


@pytest.mark.parametrize("name", ["bank_control", "bank_stream"])
def test_streams_are_allowed_in_each_vendors_way(name: str) -> None:
    """By the attribute where it may be given, by membership on RDS, where nobody has it."""
    stages = plan(WANTED, grounds())
    assert f"GRANT rds_replication TO {name}" in role(stages, AWS, name) and "LOGIN;" in role(stages, AWS, name)
    for site in (AZURE, GCP):
        assert f"CREATE ROLE {name} LOGIN REPLICATION;" in role(stages, site, name)
        assert "rds_replication" not in role(stages, site, name)


def test_controllers_become_members_of_the_vendors_group_only_where_nothing_less_will_do() -> None:
    """An administrator that can give what is needed one by one gives that."""
    given = grounds(lends=frozenset(LENT), grants_origins=True)
    stages = plan(WANTED, given)
    assert "GRANT rds_superuser TO bank_control" in role(stages, AWS, "bank_control")
    assert "GRANT cloudsqlsuperuser TO bank_control" in role(stages, GCP, "bank_control")
    at_azure = role(stages, AZURE, "bank_control")
    assert "azure_pg_admin" not in at_azure and f"GRANT {', '.join(LENT)} TO bank_control" in at_azure
    origins = [(step.site, step.login) for stage in stages for step in stage.steps if ORIGINS in step.run]
    assert origins == [(AZURE, Login.WITHIN)]


def test_nobody_else_is_in_a_group_or_replicates() -> None:
    """Whoever takes a service's login moves nothing."""
    for site in SITES:
        for name in ("bank_app", "bank_desk"):
            text = role(plan(WANTED, grounds()), site, name)
            assert "GRANT" not in text and "REPLICATION" not in text
            assert f"ALTER ROLE {name} SET default_transaction_read_only = on" in text


def test_only_who_is_no_superuser_joins_its_own_role() -> None:
    """Without it no database could be given to that role."""
    joined = "GRANT bank_control TO CURRENT_USER"
    assert joined in role(plan(WANTED, grounds()), AZURE, "bank_control")
    own = {site: replace(OWN, site=site, system_identifier=number) for number, site in enumerate(SITES)}
    assert all(joined not in role(plan(WANTED, own), site, "bank_control") for site in SITES)


def test_no_secret_is_in_a_plan() -> None:
    """Passwords have a place to be put in, and so has what a subscription dials."""
    steps = [step for stage in plan(PAID, grounds()) for step in stage.steps]
    assert {step.role for step in steps if VERIFIER in step.run} == set(WANTED.roles)
    assert all((step.role is not None) == (VERIFIER in step.run) for step in steps)
    dialled = [one for step in steps for one in step.parameters if isinstance(one, Dial)]
    assert [(one.publisher, one.stream) for one in dialled] == [(AZURE, "bank_e1_azure_aws"), (AZURE, "bank_e1_azure_gcp")]


BEGUN = Within(site="azure", service="bank", role="writer", epoch=1, marked=True)
BEGUN_AS_FOLLOWER = replace(BEGUN, role="follower", marked=False)


def test_what_has_begun_is_not_founded_again() -> None:
    """Somebody else may write by now: accounts are opened there, and nothing else is asked of anybody."""
    late = {
        AWS: Within(site="aws", service="bank", role="follower", epoch=7, marked=True),
        AZURE: Within(site="azure", service="bank", role="fenced", epoch=6, marked=True),
        GCP: Within(site="gcp", service="bank", role="writer", epoch=7, marked=True),
    }
    found = {site: replace(ground, owner="bank_control", within=late[site]) for site, ground in grounds().items()}
    assert plan(WANTED, found) == ()
    (stage,) = plan(PAID, found)
    assert [(step.site, step.parameters[0]) for step in stage.steps] == [(GCP, CANARY.id)]


HALF = {"bank_control": mark("bank")}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 150004}, "PostgreSQL 15; 16 or later"),
        ({"wal_level": "replica"}, "wal_level is replica"),
        ({"gives_replication": False}, "owner can let nobody replicate"),
        ({"lends": frozenset()}, "owner can give nobody pg_create_subscription"),
        ({"group_has": frozenset(LENT)}, "nor membership in a group that has it"),
        ({"roles": {"bank_app": ""}}, "role bank_app is there and not ours"),
        ({"roles": {"bank_app": mark("other")}}, "role bank_app is there and not ours"),
        ({"owner": "somebody"}, "database bank is somebody's"),
        ({"owner": "bank_control", "within": Within(foreign=("public.theirs",))}, "is not empty: public.theirs"),
        ({"owner": "bank_control", "within": replace(BEGUN, site="gcp", marked=False)}, "bank of gcp answers"),
        ({"owner": "bank_control", "within": BEGUN}, "aws: it is empty, and bank has begun at azure"),
        (
            {"owner": "bank_control", "within": BEGUN_AS_FOLLOWER},
            "azure: it was begun as the follower, and is to be a writer now",
        ),
        ({"system_identifier": 1}, "azure: it is the same server as aws's"),
    ],
)
def test_what_cannot_be_founded_is_refused_with_the_way_out(changed: dict[str, object], said: str) -> None:
    """Before anything was changed."""
    with pytest.raises(Refused, match="refused by bootstrap") as refused:
        plan(WANTED, grounds(**changed))
    assert said in refused.value.value and refused.value.way_out == "Nothing was changed."


def test_a_writer_that_was_begun_stays_the_writer() -> None:
    """azure stands as the writer, and the settings name aws by now: two would write in the same epoch."""
    half = grounds(owner="bank_control", within=replace(BEGUN, marked=False))
    with pytest.raises(Refused) as refused:
        plan(replace(WANTED, writer=AWS), half)
    assert "azure: it was begun as the writer, and is to be a follower now" in refused.value.value


def test_a_service_in_which_nobody_writes_is_not_called_founded() -> None:
    """Between two writers, or never right: an operator who reads that nothing is left to do would go home."""
    late = {site: Within(site=site, service="bank", role="fenced", epoch=6, marked=True) for site in SITES}
    found = {site: replace(ground, owner="bank_control", within=late[site]) for site, ground in grounds().items()}
    with pytest.raises(Refused) as refused:
        plan(WANTED, found)
    assert "and nobody writes" in refused.value.value


def test_every_reason_is_told_at_once() -> None:
    """One look mends them all."""
    with pytest.raises(Refused) as refused:
        plan(WANTED, grounds(version=150004, wal_level="replica", owner="somebody", roles={"bank_app": ""}))
    assert refused.value.value.count("azure: ") == 4


def test_what_was_begun_and_not_ended_goes_on() -> None:
    """Roles of ours, a database of ours, a node: the same plan, and each step says whether it is done."""
    half = grounds(roles=HALF, owner="bank_control", within=Within())
    assert plan(WANTED, half) == plan(WANTED, grounds())
    stand = replace(BEGUN, marked=False)
    assert plan(WANTED, grounds(roles=HALF, owner="bank_control", within=stand)) == plan(WANTED, grounds())


def test_stand_ins_are_three_vendors() -> None:
    """Nobody is a superuser anywhere."""
    assert not any(ground.superuser for ground in VENDORS.values())
