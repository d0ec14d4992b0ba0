"""`python -m adapters.demo.page FOLDER MINUTES`: the demo's page on a free loopback port, for a while, then gone."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from adapters.pages.links import Links
from adapters.serve.http import create_app
from adapters.serve.server import serving
from adapters.settings import Settings
from adapters.wiring import wire


def main(folder: Path, minutes: int) -> None:
    """Print the one-time link, serve the page, and end after the minutes."""
    settings = Settings(store=f"sqlite:///{folder / 'demo.db'}", site=folder / "site.toml", keys=folder / "demo.keys")
    with wire(settings) as wired:
        links = Links(wired.random_token)
        with serving(create_app(wired, fhir_feed="ehr", links=links), "127.0.0.1", 0) as base_url:
            sys.stdout.write(f"{base_url}/open/{links.issue(wired.clock.now())}\n")
            sys.stdout.flush()
            # The reader of the pipe has the link and goes; whatever is written later must not end this process.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            time.sleep(minutes * 60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
