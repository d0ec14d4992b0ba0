"""The console script `oncoclaims`. Exit codes: 0 done; 1 something was refused or differs; 2 wrong use."""

from adapters.cli.app import main

__all__ = ["main"]
