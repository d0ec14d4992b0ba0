"""Which program may do what (SMART Backend Services): pure, over tokens and keys that are handed in."""
