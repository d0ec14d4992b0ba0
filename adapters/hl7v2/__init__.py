"""HL7 v2 without I/O: bytes in, values out, and acknowledgement bytes back.

`mllp` cuts frames out of a byte stream, `envelope` reads MSH, `reader` gives lazy access to a whole message,
`segment` to what is in a segment, `syntax` and `values` know delimiters, escapes, timestamps and numbers,
`batch` splits files and batches, `ack` writes acknowledgements, `conformance` reports (off the hot path) what
a feed does against the standard. `capture` makes events of a message: `charges` (with `transaction`, `coding`),
`registration`, `identity` (merges), `schedule`, `orders`, `drugs`, `documents` and `results` read what their types
say, `elements`, `block` and `notation` what all of them need. `learn` (with `shapes`, `proposal`) tells a feed's
dialect from a day of messages, `silence` what a feed left out. `question` writes questions to the clinic and reads what
answers them. Nothing here opens a socket or a file, reads a clock or
keeps state between calls; the one exception is the MLLP decoder, whose state is the unfinished frame of one connection.
"""
