"""What a control node does before anything runs on it: it fetches programs by digest, and papers by its own identity, from its own cloud.

Rules for changing this package: the standard library of Python 3.11 alone, because it comes in the node's user data and nothing is
installed before it; small, because user data is; no word of what a secret holds in any message.
"""
