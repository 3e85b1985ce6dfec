"""AMR: a stencil on a background grid, and on refinements of it that come and go."""
