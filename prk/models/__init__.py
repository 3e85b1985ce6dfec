"""Models: networks with random weights, what they take, and what of it a machine reaches."""
