"""fhirclient (SMART), a client that others wrote: python with_fhirclient.py BASE. Prints what it got."""

import json
import sys

from fhirclient.models import bundle, chargeitem, patient
from fhirclient.server import FHIRServer

server = FHIRServer(None, base_uri=sys.argv[1])
who = patient.Patient({"id": "fc-1", "identifier": [{"system": "urn:clinic:mrn", "value": "FC-200"}]})
said = who.update(server)
charge = chargeitem.ChargeItem(
    {
        "status": "billable",
        "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77300"}]},
        "subject": {"reference": "Patient/fc-1"},
        "occurrenceDateTime": "2026-01-06",
    }
)
made = charge.create(server)
both = bundle.Bundle(
    {
        "type": "transaction",
        "entry": [{"resource": who.as_json(), "request": {"method": "PUT", "url": "Patient/fc-1"}}],
    }
)
answer = server.post_json("", both.as_json()).json()
print(json.dumps({"update": said["resourceType"], "create": made["resourceType"], "bundle": answer["type"]}))
