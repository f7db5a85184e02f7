"""The fault matrix: every fault that a lab knows, at every victim that it can have, on the real parts, against what
`docs/failure_modes.md` promises of it."""
