"""Errors of the lab itself; what goes wrong inside an emulated cloud is a fault, not one of these."""


class LabError(Exception):
    """The laptop cannot carry the lab as it is: one line that says what to install, free or end."""


class NothingInstalledError(LabError):
    """PostgreSQL or etcd is missing; says what to install."""


class AlreadyRunningError(LabError):
    """A lab of this name lives; says whose it is."""
