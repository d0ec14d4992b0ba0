"""Settings: environment and flags, the site file, the mappings on disk. Values go inside.

Every fault of a file is told at once, with the file and the place in it (`BadSetup`).
"""

from adapters.settings.environment import Settings, of_environment
from adapters.settings.mappings import rules_of, told
from adapters.settings.site_file import read_site, site_of

__all__ = ["Settings", "of_environment", "read_site", "rules_of", "site_of", "told"]
