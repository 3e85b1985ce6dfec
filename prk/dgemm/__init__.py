"""DGEMM: C += A B by SUMMA, panel by panel over a grid of ranks."""
