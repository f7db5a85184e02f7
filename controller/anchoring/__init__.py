"""Where heads are put outside of the three sites: one module for each kind of place."""
