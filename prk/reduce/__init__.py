"""Reduce: the element-wise sum of all members' vectors, in one of them."""
