"""What every test may rely on, however the tests were started."""

import signal

# A job that a shell put into the background ignores Ctrl-C, and so does everything it starts: tests of Ctrl-C would wait for an end
# that never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)
