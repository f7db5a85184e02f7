"""Errors of the lab itself; what goes wrong inside an emulated cloud is a fault, not one of these."""


class LabError(Exception):
    """The laptop cannot carry the lab as it is: one line that says what to install, free or end."""
