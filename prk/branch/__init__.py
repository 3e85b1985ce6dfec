"""Branch: what branches in the innermost loop cost, beside the same loop without them."""
