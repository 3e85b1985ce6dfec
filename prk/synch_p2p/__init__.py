"""Synch_p2p: a pipelined wavefront, one point-to-point synchronisation a line."""
