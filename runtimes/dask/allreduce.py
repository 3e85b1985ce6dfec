from .. import tagged


class Kernel(tagged.Allreduce):
    """One worker's buffers. Dask has no collectives: these are messages between workers."""
