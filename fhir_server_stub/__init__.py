"""A FHIR R4 server that plays EHR and payer by script and imports nothing of the program."""
