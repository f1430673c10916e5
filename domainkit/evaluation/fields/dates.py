"""Dates as people write them: 2024-03-03, 3 March 2024, March 3rd, 2024, 03.03.2024, 2024年3月3日.

03/04/2024 is the third of April or the fourth of March: such a text is no date, unless the order of day and month is
given. With points the day stands first everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time
from typing import Literal, NamedTuple

Order = Literal["dmy", "mdy"]
_MONTHS = (
    "january jan januar janvier janv enero ene gennaio gen januari janeiro",
    "february feb februar fevrier fev febrero febbraio februari fevereiro",
    "march mar marz mrz mars marzo maart mrt marco",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag mei maio",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug aout agosto ago augustus",
    "september sep sept septembre septiembre settembre set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro",
    "november nov novembre noviembre novembro",
    "december dec dezember dez decembre diciembre dic dicembre dezembro",
)
"""English, German, French, Spanish, Italian, Dutch and Portuguese, without accents."""
_MONTH_OF = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
_DAY, _YEAR, _NAME = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|º|o)?", r"(?P<year>\d{4})", r"(?P<name>[a-z]{3,})\.?"
_WEEKDAY = r"(?:[a-z]{2,}\.?,? )?"
_WRITTEN = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_YEAR}[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})",
        rf"{_YEAR} ?[年년] ?(?P<month>\d{{1,2}}) ?[月월] ?(?P<day>\d{{1,2}}) ?[日일]",
        r"(?P<day>\d{1,2})\. ?(?P<month>\d{1,2})\. ?(?P<year>\d{4})",
        rf"{_WEEKDAY}{_DAY},?[ -](?:de |of )?{_NAME},?[ -](?:de |of )?{_YEAR}",
        rf"{_WEEKDAY}{_NAME} {_DAY},? {_YEAR}",
        rf"{_YEAR},? {_NAME} {_DAY}",
    )
)
_SLASHED = re.compile(r"(?P<first>\d{1,2})([-/])(?P<second>\d{1,2})\2(?P<year>\d{4})")
_CLOCK = re.compile(
    r"(?P<date>.*\d{1,4})(?:t|,? at |,? um |,? )(?P<clock>\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?)(?P<zone>z)?"
)
LONGEST = 60
"""Characters of a date; a longer text is none."""


class Moment(NamedTuple):
    """A day, and the time of day where one is written."""

    day: date
    clock: time | None = None
    zone: str = ""
    """The offset from UTC as text; "" where none is written."""


def read_date(text: str, order: Order | None = None) -> Moment | None:
    """The date that the whole of `text` is, or None. `order` reads 03/04/2024."""
    if len(text) > LONGEST or not any(map(str.isdigit, text)):
        return None
    plain = unicodedata.normalize("NFKD", " ".join(text.split()).casefold())
    plain = unicodedata.normalize("NFC", "".join(c for c in plain if not unicodedata.combining(c)))
    try:
        if moment := _iso(plain):
            return moment
        if clocked := _CLOCK.fullmatch(plain):
            day = _day(clocked["date"], order)
            return Moment(day, time.fromisoformat(clocked["clock"].zfill(5)), clocked["zone"] or "") if day else None
        day = _day(plain, order)
    except ValueError:
        return None
    return Moment(day) if day else None


def _iso(text: str) -> Moment | None:
    """2024-03-03T10:00:00+01:00."""
    if not re.match(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d", text):
        return None
    try:
        read = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    offset = read.utcoffset()
    return Moment(read.date(), read.time(), "" if offset is None else "z" if not offset else str(offset))


def _day(text: str, order: Order | None) -> date | None:
    """Raises ValueError for a day that no month has."""
    for pattern in _WRITTEN:
        if found := pattern.fullmatch(text):
            parts = found.groupdict()
            month = _MONTH_OF.get(parts["name"]) if parts.get("name") else int(parts["month"])
            return date(int(parts["year"]), month, int(parts["day"])) if month else None
    if slashed := _SLASHED.fullmatch(text):
        first, second = int(slashed["first"]), int(slashed["second"])
        order = order or ("dmy" if first > 12 or first == second else "mdy" if second > 12 else None)
        if order is not None:
            day, month = (first, second) if order == "dmy" else (second, first)
            return date(int(slashed["year"]), month, day)
    return None
