"""Check digits of cards, accounts and national ids. Each function takes the number without spaces and divisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "FO", "GL", "NL", "SD"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "XK", "MN"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "OM", "TL", "SO"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HN", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    "LC": 32,
    "RU": 33,
}
"""Of the registry of IBANs (SWIFT)."""


def luhn(number: str) -> bool:
    """ISO/IEC 7812: cards, and several national ids."""
    digits = [int(d) for d in reversed(number)]
    doubled = (sum(divmod(2 * d, 10)) for d in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def card(number: str) -> bool:
    """Luhn, in a length and with a first part that an issuer has; not all digits alike."""
    size, start = len(number), int(number[:4])
    issued = (
        (number[0] == "4" and size in (13, 16, 19))  # Visa
        or (size == 16 and (5100 <= start < 5600 or 2221 <= start <= 2720))  # Mastercard
        or (size == 15 and number[:2] in ("34", "37"))  # American Express
        or (size in (16, 19) and (number[:2] in ("65", "62", "60") or 6440 <= start < 6500 or 3528 <= start < 3590))
        or (size == 14 and (3000 <= start < 3060 or number[:2] in ("36", "38", "39")))  # Diners
    )
    return issued and len(set(number)) > 1 and luhn(number)


def iban(number: str) -> bool:
    """ISO 13616: the length of its country, and 1 modulo 97 with letters as 10 to 35."""
    return len(number) == IBAN_LENGTHS.get(number[:2]) and _mod97(number) == 1


def _mod97(number: str) -> int:
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97


def german_tax_id(number: str) -> bool:
    """ISO 7064 modulo 11, 10; of the first ten digits exactly one stands two or three times."""
    counts = [number[:10].count(d) for d in set(number[:10])]
    if number[0] == "0" or sorted(counts)[-1] not in (2, 3) or sum(c > 1 for c in counts) != 1:
        return False
    product = 10
    for digit in number[:10]:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(number[10])


def nhs_number(number: str) -> bool:
    """United Kingdom: modulo 11 with the weights 10 to 2."""
    check = 11 - _weighed(number[:9], range(10, 1, -1)) % 11
    return len(set(number)) > 1 and check % 11 == int(number[9])


def french_nir(number: str) -> bool:
    """Sex, year, month, department, commune, order, and 97 less the rest modulo 97. Corsica has 2A and 2B."""
    plain = number[:13].replace("2A", "19").replace("2B", "18")
    month = int(number[3:5])
    if not plain.isdigit() or not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    return 97 - int(plain) % 97 == int(number[13:])


def spanish_dni(number: str) -> bool:
    """DNI, and NIE with X, Y, Z for 0, 1, 2: a letter by the rest modulo 23."""
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


def us_ssn(number: str) -> bool:
    """No check digit: no group of zeros, no area 666 or from 900, and none of the numbers that were printed in
    advertisements."""
    area, group, serial = number[:3], number[3:5], number[5:]
    if number in ("078051120", "219099999", "123456789"):
        return False
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def codice_fiscale(number: str) -> bool:
    """Italy: odd and even places weigh letters and digits in two ways (decree of 23 December 1976)."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [int(c) if c.isdigit() else ord(c) - 65 for c in number[:15]]
    total = sum(odd[v] for v in values[::2]) + sum(values[1::2])
    return chr(65 + total % 26) == number[15]


def dutch_bsn(number: str) -> bool:
    """Weights 9 to 2 and -1, a multiple of 11."""
    return len(set(number)) > 1 and _weighed(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff(number: str) -> bool:
    """India's Aadhaar: Verhoeff 1969, in the dihedral group of order ten."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = _PERMUTATION[value]
        check = _D5[check][value]
    return check == 0


def pesel(number: str) -> bool:
    """Poland: a date with the century in its month, and weights 1, 3, 7, 9."""
    month, day = int(number[2:4]) % 20, int(number[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31 and _weighed(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def personnummer(number: str) -> bool:
    """Sweden: year, month and day (from 61 for a coordination number), and Luhn."""
    month, day = int(number[-8:-6]), int(number[-6:-4]) % 60
    return 1 <= month <= 12 and 1 <= day <= 31 and luhn(number[-10:])


def cpf(number: str) -> bool:
    """Brazil: two check digits modulo 11."""
    if len(set(number)) == 1:
        return False
    checks = (_weighed(number[:size], range(size + 1, 1, -1)) * 10 % 11 % 10 for size in (9, 10))
    return [int(d) for d in number[9:]] == list(checks)


def ahv(number: str) -> bool:
    """Switzerland: 756 and the check digit of an EAN-13."""
    return _weighed(number, (1, 3) * 6 + (1,)) % 10 == 0


def chinese_id(number: str) -> bool:
    """ISO 7064 modulo 11, 2, and a date of birth."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = _weighed(number[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return born.year >= 1880 and "10X98765432"[total % 11] == number[17]


def _weighed(number: str, weights: Sequence[int]) -> int:
    return sum(int(d) * w for d, w in zip(number, weights, strict=True))
