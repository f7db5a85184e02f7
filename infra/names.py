"""How things are called, everywhere, so that somebody who looks for the same thing in another cloud finds it.

Every name carries the environment: two environments may share an account in a trial, and a name in common would make one replace the other.
"""

import re

APP = "trimaran"


def name_of(environment: str, *parts: str, longest: int = 63) -> str:
    """`trimaran-prod-payments`, say, at most as long as the vendor allows. Raises ValueError."""
    name = "-".join((APP, environment, *parts))
    if len(name) > longest or not re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name):
        raise ValueError(f"{name}: expected at most {longest} small letters, digits and dashes")
    return name
