"""FHIR R4 (4.0.1) without I/O: resources to our model and back; bytes in, bytes out, nothing opened, no clock read.

`wire` reads and writes JSON with exact decimals, `tree` walks it tolerantly, `capture` turns what an EHR sends into
events, `claim` writes and reads our Claims, `prior` what payers before decided, which a later payer's
claim bears (`insurance.claimResponse`), `check` looks them over before they leave (the only importer of fhir.resources,
R4B), `response` reads what a payer answers, `outcome` words our own answers.
"""
