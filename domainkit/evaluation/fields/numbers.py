"""Numbers as people write them: with groups of digits, a decimal comma or point, a currency, a per cent sign, a unit.

1.234,50 € is 1,234.50 EUR. Where only one sign stands in a number it decides by what is usual in JSON and in English:
1.234 is a little more than one, and 1,234 is more than a thousand; 1,5 and 0,123 can only have a decimal comma.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from domainkit.text.words import canonical

TOLERANCE = 1e-6
"""Numbers are the same when they differ by less than this share: what is lost in writing and reading."""
_CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₹": "inr", "₽": "rub", "₩": "krw", "₺": "try"}
_CURRENCIES |= {"euro": "eur", "euros": "eur", "dollar": "usd", "dollars": "usd", "pound": "gbp", "pounds": "gbp"}
_CODES = "eur|usd|gbp|jpy|chf|cad|aud|nzd|cny|inr|sek|nok|dkk|pln|czk|huf|ron|rub|try|brl|mxn|zar|krw|sgd|hkd|ils|aed"
_SIGNS = "".join(sign for sign in _CURRENCIES if len(sign) == 1)
_DIGITS = re.compile(
    rf"(?P<sign>[-+]?) ?(?P<before>[{re.escape(_SIGNS)}]|{_CODES})? ?(?P<inner>[-+]?)"
    r"(?P<digits>\d[\d.,']*(?: \d{3}(?:[.,]\d+)?)*(?:e[-+]?\d+)?) ?(?P<after>[^\W\d_][^\W_]*[23]?(?:/[^\W\d_]+)?|\W)?"
)
_DECIMAL = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


class Amount(NamedTuple):
    """A number and what it counts."""

    value: float
    unit: str = ""
    """In small letters: "eur", "%", "kg"; "" where none is written."""


def read_amount(text: str) -> Amount | None:
    """The amount that the whole of `text` is, or None."""
    # Not `canonical` at once: it takes the commas out of 1,234, and with them what the other signs mean.
    plain = " ".join(unicodedata.normalize("NFKC", text).replace("\u2212", "-").casefold().split())
    match = _DIGITS.fullmatch(plain)
    if match is None or (match["sign"] and match["inner"]) or (match["before"] and match["after"]):
        return None
    value = _number(match["digits"])
    if value is None:
        return None
    unit = match["before"] or match["after"] or ""
    if unit and not unit.isalnum() and unit not in _CURRENCIES and unit != "%" and "/" not in unit:
        return None
    negative = "-" in (match["sign"], match["inner"])
    return Amount(-value if negative else value, _CURRENCIES.get(unit, canonical(unit) if unit else ""))


def _number(digits: str) -> float | None:
    plain = digits.replace("'", "").replace(" ", "")
    points, commas = plain.count("."), plain.count(",")
    if points and commas:
        last, other = (".", ",") if plain.rfind(".") > plain.rfind(",") else (",", ".")
        if plain.count(last) > 1 or not _grouped(plain.partition(last)[0], other):
            return None
        plain = plain.replace(other, "").replace(last, ".")
    elif points > 1:
        plain = plain.replace(".", "") if _grouped(plain, ".") else ""
    elif commas > 1 or (commas == 1 and _grouped(plain, ",")):
        plain = plain.replace(",", "") if _grouped(plain, ",") else ""
    else:
        plain = plain.replace(",", ".")
    return float(plain) if _DECIMAL.fullmatch(plain) else None


def _grouped(digits: str, sign: str) -> bool:
    """Whether `sign` divides the digits into thousands: 1,234,567, or as in India 12,34,567; not 0,123."""
    first, *rest = digits.split(sign)
    thousands = all(len(group) == 3 for group in rest)
    indian = rest[-1:] and len(rest[-1]) == 3 and all(len(group) == 2 for group in rest[:-1])
    return digits.replace(sign, "").isdigit() and 1 <= len(first) <= 3 and first != "0" and bool(thousands or indian)


def same_number(a: float, b: float, tolerance: float | None = None) -> bool:
    """Whether two numbers differ by at most `tolerance`, in their own unit; left out, by the share TOLERANCE."""
    allowed = TOLERANCE * max(abs(a), abs(b)) if tolerance is None else tolerance + 1e-12
    return abs(a - b) <= allowed


def same_amount(a: Amount, b: Amount, tolerance: float | None = None) -> bool:
    """The same number, of the same unit where both name one."""
    return same_number(a.value, b.value, tolerance) and (a.unit == b.unit or not a.unit or not b.unit)
