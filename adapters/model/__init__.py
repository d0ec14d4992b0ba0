"""The nouns: frozen, slotted values of the standard library only. Nothing here reads a clock, a file or a socket."""
