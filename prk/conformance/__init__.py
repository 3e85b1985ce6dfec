"""Whether a runtime keeps the contract: `python -m prk.conformance NAME`, for any one that is installed."""
