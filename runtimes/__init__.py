"""How the kernels are executed: one folder a programming model."""
