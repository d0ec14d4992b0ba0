"""Transaction and batch Bundles for a FHIR store: conditional create and update, references resolved."""

from fhir_server_stub.claim import Problem
from fhir_server_stub.store import Resources, SearchError
from fhir_server_stub.wire import Json


def apply_bundle(resources: Resources, bundle: Json) -> Json | tuple[Problem, ...]:
    """Carry out POST (with ifNoneExist) and PUT (by id or by search) entries, all or nothing.

    `urn:` references to other entries become references to what they were stored as.  Returns the response
    Bundle, or every problem; then nothing was written.
    """
    entries = bundle.get("entry") or []
    problems: list[Problem] = []
    plans: list[tuple[Json, str | None, str]] = []
    targets: dict[str, str] = {}
    for place, entry in enumerate(entries):
        path = f"Bundle.entry[{place}]"
        plan = _plan(resources, entry, path, problems)
        if plan:
            resource, identity, _ = plan
            kind = str(resource["resourceType"])
            plans.append(plan)
            if identity is None:
                identity = resources.next_id(kind)
                plans[-1] = (resource, identity, "201")
            targets[str(entry.get("fullUrl"))] = f"{kind}/{identity}"
    if problems:
        return tuple(problems)
    answers = []
    for resource, identity, status in plans:
        if status == "200-kept":
            found = resources.read(str(resource["resourceType"]), str(identity))
            answers.append(_answer(found or resource, "200"))
            continue
        resolved = _resolve(resource, targets)
        assert isinstance(resolved, dict)  # noqa: S101 - an object stays one
        answers.append(_answer(resources.put(resolved, identity), status))
    return {"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": answers}


def _plan(resources: Resources, entry: Json, path: str, problems: list[Problem]) -> tuple[Json, str | None, str] | None:
    """What to store, under which id (None: a new one), with which status."""
    resource, request = entry.get("resource"), entry.get("request") or {}
    method, url = request.get("method"), str(request.get("url") or "")
    if not isinstance(resource, dict) or not resource.get("resourceType"):
        problems.append(Problem(f"{path}.resource", "is missing"))
        return None
    kind = str(resource["resourceType"])
    if kind in {"Claim", "ClaimResponse"}:
        problems.append(Problem(f"{path}.resource", "is filed by itself, not in a Bundle"))
        return None
    if method not in {"POST", "PUT"} or not url.startswith(kind):
        problems.append(Problem(f"{path}.request", "is neither POST nor PUT of its resource"))
        return None
    try:
        if method == "POST":
            condition = request.get("ifNoneExist")
            found = resources.search_text(kind, condition) if condition else []
            status = "200-kept"
        elif "?" in url:
            found, status = resources.search_text(kind, url), "200"
        else:
            identity = url.partition("/")[2]
            return resource, identity, "200" if resources.read(kind, identity) else "201"
    except SearchError as error:
        problems.append(Problem(f"{path}.request", str(error)))
        return None
    if len(found) > 1:
        problems.append(Problem(f"{path}.request", "matches several resources"))
        return None
    return (resource, str(found[0]["id"]), status) if found else (resource, None, "201")


def _resolve(value: object, targets: dict[str, str]) -> object:
    if isinstance(value, dict):
        return {
            key: targets.get(item, item) if key == "reference" and isinstance(item, str) else _resolve(item, targets)
            for key, item in value.items()
        }
    return [_resolve(item, targets) for item in value] if isinstance(value, list) else value


def _answer(stored: Json, status: str) -> Json:
    location = f"{stored['resourceType']}/{stored['id']}/_history/{stored['meta']['versionId']}"
    return {"response": {"status": status, "location": location, "etag": f'W/"{stored["meta"]["versionId"]}"'}}
