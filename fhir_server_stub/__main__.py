"""`python -m fhir_server_stub`."""

from fhir_server_stub.server import main

raise SystemExit(main())
