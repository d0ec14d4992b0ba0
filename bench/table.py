"""The figures of the last run as the Markdown table of the README. `make bench` runs it after the others."""

from __future__ import annotations

from _common import kept, machine

ORDER = (
    "read",
    "derive",
    "visit",
    "courses",
    "claim",
    "intake",
    "mllp",
    "fhir_in",
    "lanes",
    "sending",
    "posting",
    "rebuild",
    "published",
    "editions",
    "rehearse",
    "reconcile",
    "memory",
)


def main() -> None:
    """Print what the scripts have left."""
    found = kept()
    print(f"Measured on {machine()}.\n")
    print("| what | figure | beside |\n|---|---:|---|")
    for script in ORDER:
        for row in found.get(script, ()):
            print(f"| {row.what} | {row.figure} | {row.beside} |")
    for script in ORDER:
        if script not in found:
            print(f"\n{script}.py has left no figures yet.")


if __name__ == "__main__":
    main()
