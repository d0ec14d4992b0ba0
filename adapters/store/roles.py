"""The roles of a store on PostgreSQL: who may do what, granted after every upgrade. No role updates or deletes the past.

A login is made a member of one or several: a program that does everything is of intake, worker and poster; a process
that only takes receipts is of intake and sees no body. The owner of the tables migrates, and does nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from adapters.errors import BadSetup
from adapters.store.lanes import jobs as lane_jobs

INTAKE: Final = "oncoclaims_intake"
WORKER: Final = "oncoclaims_worker"
POSTER: Final = "oncoclaims_poster"
AUDITOR: Final = "oncoclaims_auditor"
ROLES: Final = (INTAKE, WORKER, POSTER, AUDITOR)

_COMMON: Final = ("meta", "alembic_version")
_INTAKE_READS: Final = "seq, id, key_id, answer, control_key"
"""What tells a resend: no bodies."""
_WORKER_WRITES: Final = {
    "journal": "INSERT",
    "queue": "INSERT, UPDATE",
    "takings": "INSERT",
    **dict.fromkeys(("seals", "sealed_entries"), "INSERT"),
    "persons": "INSERT, UPDATE",
    "person_identifiers": "INSERT, DELETE",
    "person_references": "INSERT, DELETE",
    "person_words": "INSERT",
    "identity_conflicts": "INSERT, UPDATE",
    # Their place in the record changes when a late one comes; their content is held by the program.
    "events": "INSERT, UPDATE",
    "remittances": "INSERT, UPDATE",
    "claims": "INSERT, UPDATE",
    **dict.fromkeys(("charges", "holds", "skips", "findings", "work_items", "due"), "INSERT, UPDATE, DELETE"),
    # Which lanes are one person, and whose the ledger's entries are since.
    **dict.fromkeys(("unions", "entry_lanes"), "INSERT, DELETE"),
    # The queue of lanes: ids only.
    "waiting": "INSERT, DELETE",
    "used_once": "INSERT, DELETE",
    # Who signs in to the pages.
    **dict.fromkeys(("users", "sessions", "browsers"), "INSERT, UPDATE, DELETE"),
    **dict.fromkeys(lane_jobs.TABLES, "INSERT, UPDATE, DELETE"),
}
_SEQUENCES: Final = tuple(f"{table}_id_seq" for table in lane_jobs.TABLES)


def grants() -> Iterator[str]:
    """What each role may do, and nothing beside it. Granting again changes nothing."""
    tables = ", ".join(_COMMON)
    yield f"GRANT SELECT ON {tables} TO {', '.join(ROLES)}"
    yield f"GRANT SELECT ({_INTAKE_READS}), INSERT ON journal TO {INTAKE}"
    yield f"GRANT INSERT ON queue TO {INTAKE}"
    # Digests of what asked for tokens; whoever answers HTTP may be of the intake alone.
    yield f"GRANT SELECT, INSERT, DELETE ON used_once TO {INTAKE}"
    for table, verbs in _WORKER_WRITES.items():
        yield f"GRANT {verbs} ON {table} TO {WORKER}"
    yield f"GRANT USAGE ON SEQUENCE {', '.join(_SEQUENCES)} TO {WORKER}"
    yield f"GRANT SELECT, INSERT ON entries, entry_lines TO {POSTER}"


def settle(connection: Connection) -> None:
    """Make the roles where they are missing, and grant them what is theirs in this schema.

    Raises `BadSetup` when a role is missing and this login may not make it.
    """
    there = set(
        connection.exec_driver_sql("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),)).scalars()
    )
    missing = [role for role in ROLES if role not in there]
    if missing:
        may = connection.exec_driver_sql(
            "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
        ).scalar_one()
        if not may:
            made = "; ".join(f"CREATE ROLE {role} NOLOGIN" for role in missing)
            raise BadSetup((f"roles are missing and this login may not make them; first: {made}",))
        for role in missing:
            connection.exec_driver_sql(f"CREATE ROLE {role} NOLOGIN")
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(ROLES)}")
    connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {WORKER}, {AUDITOR}")
    for statement in grants():
        connection.exec_driver_sql(statement)
