"""fhirpy, a client that others wrote: python with_fhirpy.py BASE. Prints what it got."""

import json
import sys

from fhirpy import SyncFHIRClient

# It makes of each answer the resource that it goes on with.
client = SyncFHIRClient(sys.argv[1], extra_headers={"Prefer": "return=representation"})
patient = client.resource(
    "Patient", id="fp-1", identifier=[{"system": "urn:clinic:mrn", "value": "FP-100"}], name=[{"family": "Wagtail"}]
)
patient.save()
charge = client.resource(
    "ChargeItem",
    status="billable",
    code={"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77300"}]},
    subject=patient.to_reference(),
    occurrenceDateTime="2026-01-05",
)
charge.save()
print(json.dumps({"patient": patient.id, "charge": charge.id}))
