"""What a machine can do, measured by small programs, and what that leaves a kernel."""
