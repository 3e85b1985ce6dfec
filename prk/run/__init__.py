"""One launch: from the command line to the exit code. Private: kernels and runtimes need none of it."""
