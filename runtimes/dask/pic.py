from .._tagged import pic


class Kernel(pic.Kernel):
    """One worker's share."""
