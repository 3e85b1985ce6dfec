"""Sweeps on a cluster: jobs from a plan, Slurm's commands, and what runs inside a job."""
