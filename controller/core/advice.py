"""What a person can do now, as a command line that can be copied.

Rules for changing this file: every line is one that `trimaran` understands (a test gives each to its parser), and nothing is advised that
could lose a payment without the sentence beside it saying so.
"""

from collections.abc import Mapping

from controller.core.model import Reason, Site
from controller.core.plans import PlanKind

WHY = '--reason "..."'


def look(service: str) -> str:
    """See how it goes."""
    return f"trimaran status --service {service} --watch"


def ask_why(service: str) -> str:
    """Read what was decided, and why."""
    return f"trimaran explain --service {service}"


def leave(service: str, site: Site, waived: str = "") -> str:
    """Fail over by hand."""
    leaving = "".join(f" --waive {name}" for name in waived.split(",") if name)
    return f"trimaran failover --from {site}{leaving} {WHY} --service {service}"


def resume(service: str) -> str:
    """Let automation go on."""
    return f"trimaran resume {WHY} --service {service}"


def pause_on(service: str) -> str:
    """Have a pause last longer."""
    return f"trimaran pause {WHY} --until 30m --service {service}"


def examine() -> str:
    """Have everything looked at."""
    return "trimaran doctor --settings controller.toml"


def out_of_hold(service: str, site: Site | None, refusal: Reason, uncut: str) -> str:
    """The way past what a guard refused; `uncut`: members that cannot be read, by name, separated by commas."""
    if refusal.guard == "pause":
        return resume(service)
    if site is not None and refusal.guard in {"mode", "velocity"}:
        return leave(service, site)
    if site is not None and refusal.guard == "provable-durability" and uncut:
        return leave(service, site, uncut)
    return ask_why(service)


FOLLOWS: Mapping[str, str] = {
    PlanKind.FAILOVER: "Followers are cut and read, one is elected and opened, a canary is paid. Payments go on as soon as it is open.",
    PlanKind.SWITCHOVER: "The writer is closed, followers come level, the new writer opens. Payments pause for as long.",
    PlanKind.PROMOTE: "The provider is asked until it is done.",
}
"""What a plan that was just claimed goes on to do."""
