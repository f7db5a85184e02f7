"""One module for each role of a stack: `build(settings)`."""
