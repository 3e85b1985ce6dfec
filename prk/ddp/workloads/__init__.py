"""What can be trained: one module a workload, found by looking."""
