"""FHIR dates and times: the instant in UTC, the date at the place."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir.times import boundary, moment

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("text", "instant", "day"),
    [
        ("2026-01-05T23:30:00-06:00", datetime(2026, 1, 6, 5, 30, tzinfo=UTC), date(2026, 1, 5)),
        ("2026-01-05T23:30:00+01:00", datetime(2026, 1, 5, 22, 30, tzinfo=UTC), date(2026, 1, 5)),
        # `Z` says nothing of the place: an evening session in Chicago is not tomorrow's.
        ("2026-01-06T01:30:00Z", datetime(2026, 1, 6, 1, 30, tzinfo=UTC), date(2026, 1, 5)),
        ("2026-01-05T19:30:00", datetime(2026, 1, 6, 1, 30, tzinfo=UTC), date(2026, 1, 5)),
        ("2026-01-05T19:30-06:00", datetime(2026, 1, 6, 1, 30, tzinfo=UTC), date(2026, 1, 5)),
        ("2026-01-05T19:30:00.1234567-06:00", datetime(2026, 1, 6, 1, 30, 0, 123456, UTC), date(2026, 1, 5)),
        ("2026-06-30T23:59:60Z", datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC), date(2026, 6, 30)),
        ("2026-01-05", datetime(2026, 1, 5, 18, tzinfo=UTC), date(2026, 1, 5)),
    ],
)
def test_moments(text: str, instant: datetime, day: date) -> None:
    found = moment(text, CHICAGO)
    assert found is not None
    assert (found.instant, found.day, found.timed) == (instant, day, "T" in text)


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-01", "2026-02-30", "2026-13-01", "20260105", "05/01/2026", "2026-01-05T25:00:00Z",
     "2026-01-05T10:00:00+99:00", "0001-01-01T00:00:00+14:00", "2026-01-05 10:00", "٢٠٢٦-٠١-٠٥"],
)  # fmt: skip
def test_no_moment(text: str) -> None:
    assert moment(text, CHICAGO) is None


def test_edges_of_a_period_that_name_a_year_or_month_mean_all_of_it() -> None:
    assert boundary("2026", CHICAGO, last=False) == date(2026, 1, 1)
    assert boundary("2026", CHICAGO, last=True) == date(2026, 12, 31)
    assert boundary("2024-02", CHICAGO, last=True) == date(2024, 2, 29)
    assert boundary("2026-01-05T23:00:00-06:00", CHICAGO, last=True) == date(2026, 1, 5)
    assert boundary("2026-14", CHICAGO, last=True) is None
    assert boundary("soon", CHICAGO, last=False) is None


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.integers(-14 * 60, 14 * 60),
)
def test_the_day_is_that_of_the_offset_sent(local: datetime, minutes: int) -> None:
    aware = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = moment(aware.isoformat(), CHICAGO)
    assert found is not None
    assert found.instant == aware
    # +00:00 is an offset; only the letter Z is none.
    assert found.day == local.date()
