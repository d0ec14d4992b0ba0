"""The issuer at which people sign in: what it says of itself, and whom it vouches for."""

from adapters.openid.issuer import Issuer

__all__ = ["Issuer"]
