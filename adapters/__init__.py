"""The house of oncoclaims: from the bytes of a feed to the paid charge; see the levels in README."""
