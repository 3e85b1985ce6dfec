"""Start launches one after the other, end them in time, and tell how each one went."""
