"""The zone, at three authorities."""
