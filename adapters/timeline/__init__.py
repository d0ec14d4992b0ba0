"""The picture of a visit for drugs: one row for each bag, push or injection over the hours, as SVG and as a table.

Pure. Times and drugs are all that it says of a person.
"""

from adapters.timeline.picture import svg
from adapters.timeline.words import TableRow, heading, spans_counted, table, told

__all__ = ["TableRow", "heading", "spans_counted", "svg", "table", "told"]
