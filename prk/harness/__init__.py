"""The harness: sweeps planned, launched and stored, with their statistics, figures and report."""
