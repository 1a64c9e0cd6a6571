"""Ask and test AWS-style VPC networks with vpclab.

``Network`` asks a topology in a file, without root; ``Lab`` runs one, with real packets. Both speak to the ``vpclab``
binary, and know nothing of networks themselves.
"""

from .network import Denied, Lab, Network, NotRun, VpclabError, Way

__all__ = ["Denied", "Lab", "Network", "NotRun", "VpclabError", "Way"]
