"""RefCount: two counters that all members update."""
