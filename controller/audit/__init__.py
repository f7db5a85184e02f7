"""Who can tell that the journal is what it was: signed heads, where they are kept, and the proof of all of it without any controller."""
