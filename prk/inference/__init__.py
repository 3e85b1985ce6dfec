"""Inference under load: MLPerf's ways in which queries arrive, over every runtime that can serve."""
