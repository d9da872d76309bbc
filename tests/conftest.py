"""What holds for every test."""

import signal

# A shell that starts a job in the background makes it ignore Ctrl-C, and its children inherit that; tests that send
# SIGINT would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
