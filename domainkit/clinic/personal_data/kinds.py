"""The kinds of personal data that are looked for: a form, a check, and words that make it surer.

A number without a check digit, or with one that every tenth number passes, counts only beside a word that names it or
in the form in which it is written.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from domainkit.clinic.personal_data import checksums


@dataclass(frozen=True)
class Kind:
    """One kind of personal data."""

    name: str
    """As findings and placeholders name it."""
    form: re.Pattern[str]
    check: Callable[[str], bool]
    """Of the match without spaces, dots, dashes and slashes, in capitals."""
    sure: float
    """Without a word that names it; 0: only beside such a word."""
    words: re.Pattern[str] | None = None
    """Words before the match that make it nearly sure."""
    whole: bool = False
    """The check is given the match as it is written."""


SURE_BY_WORD = 0.97
OTHER_NUMBER = re.compile(
    r"(?:(?:batch|order|invoice|ticket|case|serial|ref(?:erence)?|article|page|isbn|tracking|parcel|session|version"
    r"|bestell\w*|rechnung\w*|auftrag\w*|commande|facture|pedido|ordine)\b|#)"
    r"[\s:=#.-]*(?:(?:no|nr|number|num|id|n°)\b[\s:=#.-]*)?$",
    re.IGNORECASE,
)
"""Directly before a number: it names something else than a person."""
_NOT_BEFORE, _NOT_AFTER = r"(?<![\w.,+-])", r"(?![\w-]|[.,]\d)"


def _number(form: str) -> re.Pattern[str]:
    return re.compile(f"{_NOT_BEFORE}(?:{form}){_NOT_AFTER}")


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})", re.IGNORECASE)


def _ibans() -> re.Pattern[str]:
    """Each country's length: words that follow are no part of the number."""
    countries: dict[int, list[str]] = {}
    for country, length in checksums.IBAN_LENGTHS.items():
        countries.setdefault(length, []).append(country)
    forms = (f"(?:{'|'.join(names)})\\d\\d(?: ?[A-Z0-9]){{{length - 4}}}" for length, names in countries.items())
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(forms)})(?![^\W_])", re.IGNORECASE)


def _mail(text: str) -> bool:
    name, _, domain = text.lower().partition("@")
    if ".." in text or name.endswith("."):
        return False
    # Names that RFC 2606 keeps for examples belong to nobody.
    return not re.search(r"(^|\.)(example\.(com|net|org)|example|test|invalid|localhost)$", domain)


def _address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _phone(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2


def _always(text: str) -> bool:
    return True


_PHONE_WORDS = _words(
    *("phone", "tel(?!l)", "mobile", "cell", "call (?:me|us)", "fax", "whatsapp", "sms", "text me", "hotline", "handy"),
    *(
        "telefon",
        "mobil",
        "rufnummer",
        "anruf",
        "teléfono",
        "telefono",
        "móvil",
        "téléphone",
        "portable",
        "numéro de tél",
    ),
    *("telefoon", "電話", "携帯", "电话", "手机", "전화", "телефон", "тел", "هاتف"),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "email",
        re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,24}"),
        _mail,
        0.99,
        whole=True,
    ),
    Kind(
        "email",
        re.compile(
            r"(?<![\w.])[\w.+-]{1,64} ?(?:\(at\)|\[at\]|\{at\}) ?[\w-]+(?: ?(?:\.|\(dot\)|\[dot\]) ?[\w-]+){1,3}", re.I
        ),
        _always,
        0.8,
    ),
    Kind("iban", _ibans(), checksums.iban, 0.99),
    Kind(
        "card",
        _number(r"\d{4}(?P<s>[ -])\d{4}(?P=s)\d{4}(?P=s)\d{1,4}(?:(?P=s)\d{1,3})?|\d{4}(?P<a>[ -])\d{6}(?P=a)\d{4,5}"),
        checksums.card,
        0.95,
    ),
    Kind(
        "card",
        _number(r"\d{13,19}"),
        checksums.card,
        0.7,
        _words("card", "karte", "visa", "master", "amex", "carte", "tarjeta", "carta", "kreditkarte", "カード", "卡"),
    ),
    Kind(
        "us ssn",
        _number(r"\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}"),
        checksums.us_ssn,
        0.8,
        _words("ssn", "social security"),
    ),
    Kind("us ssn", _number(r"\d{9}"), checksums.us_ssn, 0, _words("ssn", "social security")),
    Kind(
        "german tax id",
        _number(r"\d{2} ?\d{3} ?\d{3} ?\d{3}"),
        checksums.german_tax_id,
        0.5,
        _words("steuer", "id-?nr", "identifikationsnummer", "tin", "tax"),
    ),
    Kind("uk nhs number", _number(r"\d{3}(?P<n>[ -])\d{3}(?P=n)\d{4}"), checksums.nhs_number, 0.5, _words("nhs")),
    Kind("uk nhs number", _number(r"\d{10}"), checksums.nhs_number, 0, _words("nhs")),
    Kind(
        "french nir",
        _number(r"[1-478] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}"),
        checksums.french_nir,
        0.9,
        _words("nir", "sécu", "secu", "insee"),
    ),
    Kind(
        "spanish id",
        _number(r"(?:\d{8}|[XYZ][ -]?\d{7})[ -]?[A-HJ-NP-TV-Z]"),
        checksums.spanish_dni,
        0.8,
        _words("dni", "nie", "nif"),
    ),
    Kind(
        "codice fiscale",
        re.compile(
            r"(?<![^\W_])[A-Z]{6}\d{2}[A-EHLMPRST](?:[04][1-9]|[1256]\d|[37][01])[A-Z]\d{3}[A-Z](?![^\W_])", re.I
        ),
        checksums.codice_fiscale,
        0.98,
    ),
    Kind(
        "dutch bsn",
        _number(r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}|\d{3}[. ]\d{3}[. ]\d{3}"),
        checksums.dutch_bsn,
        0,  # every eleventh number of nine digits passes the check
        _words("bsn", "burgerservice", "sofi"),
    ),
    Kind(
        "aadhaar",
        _number(r"[2-9]\d{3}(?P<d>[ -])\d{4}(?P=d)\d{4}"),
        checksums.verhoeff,
        0.6,
        _words("aadhaar", "aadhar", "uidai", "आधार"),
    ),
    Kind("aadhaar", _number(r"[2-9]\d{11}"), checksums.verhoeff, 0, _words("aadhaar", "aadhar", "uidai", "आधार")),
    Kind("pesel", _number(r"\d{11}"), checksums.pesel, 0.5, _words("pesel")),
    Kind(
        "personnummer",
        _number(r"(?:19|20)?\d{6}[-+]\d{4}"),
        checksums.personnummer,
        0.8,
        _words("personnummer", "samordningsnummer"),
    ),
    Kind("cpf", _number(r"\d{3}\.\d{3}\.\d{3}-\d{2}"), checksums.cpf, 0.95, _words("cpf")),
    Kind("cpf", _number(r"\d{11}"), checksums.cpf, 0, _words("cpf")),
    Kind("swiss ahv", _number(r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}"), checksums.ahv, 0.95, _words("ahv", "avs")),
    Kind("chinese id", _number(r"[1-8]\d{16}[\dXx]"), checksums.chinese_id, 0.95, _words("身份证", "公民身份")),
    Kind(
        "ip address",
        re.compile(r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w:]|\.\d)"),
        _address,
        0.6,
        _words("ip", "address", "from", "host", "client"),
        whole=True,
    ),
    Kind(
        "ip address",
        re.compile(r"(?<![\w:.])(?:[0-9a-f]{1,4}:|:(?=:)){2,7}(?::?[0-9a-f]{1,4})?(?![\w:])", re.I),
        _address,
        0.7,
        whole=True,
    ),
    Kind(
        "phone",
        re.compile(
            r"(?<![\w+])(?<!\d[ .-])(?:\+|00(?=[1-9]))"
            r"\d{1,3}[ ./-]?(?:\(0?\d{0,4}\)[ ./-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){1,4}"
            r"(?![\w-]|[.,]\d)"
        ),
        _phone,
        0.9,
        _PHONE_WORDS,
    ),
    Kind(
        "phone",
        re.compile(r"(?<![\w+.-])\(\d{2,5}\)[ ./-]?\d{2,5}(?:[ .-]\d{2,5}){1,3}(?![\w-])"),
        _phone,
        0.8,
        _PHONE_WORDS,
    ),
    Kind(
        "phone",
        _number(
            r"(?<!\d[ .-])(?:[2-9]\d{2}([.-])[2-9]\d{2}\1\d{4}|"
            r"0\d{2,4}[ /-]\d{3,8}(?:[ -]\d{2,5}){0,3}|0\d(?:[ .]\d{2}){4})"
        ),
        _phone,
        0.6,
        _PHONE_WORDS,
    ),
    Kind("phone", _number(r"\d{2,5}(?:[ ./-]{0,3}\d{2,5}){1,4}"), _phone, 0, _PHONE_WORDS),
)
