"""Sentences with made-up personal data, and sentences with numbers that belong to nobody.

Check digits are computed here by other code than the one that is measured: python-stdnum's formulas, written as digits
that complete a number. No value belongs to a person on purpose; by chance one may.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_FRAMES = (
    "Hello, my {word} is {value}. Please check my account.",
    "{word}: {value}",
    "They asked for my {word} ({value}) twice, why?",
    "I sent {value} as my {word} yesterday and got no answer",
    "Update the record with {word} {value}, thanks",
)
_BARE = ("Please use {value} from now on.", "{value}", "as I wrote, {value} is the right one, not the old one")
WORDS = {
    "email": "mail address",
    "phone": "phone number",
    "iban": "IBAN",
    "card": "card number",
    "us ssn": "SSN",
    "german tax id": "Steuer-ID",
    "uk nhs number": "NHS number",
    "french nir": "numéro de sécu",
    "spanish id": "DNI",
    "codice fiscale": "codice fiscale",
    "dutch bsn": "BSN",
    "aadhaar": "Aadhaar",
    "pesel": "PESEL",
    "personnummer": "personnummer",
    "cpf": "CPF",
    "ip address": "IP",
}
_CONSONANTS, _LETTERS = "BCDFGLMNPRSTVZ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def texts_with_values(chance: random.Random, each: int) -> Iterator[tuple[str, str, str]]:
    """(kind, value, text): in four of five texts the value stands beside a word that names it."""
    for kind in WORDS:
        for i in range(each):
            value = _value(kind, chance)
            frame = chance.choice(_BARE if i % 5 == 0 else _FRAMES)
            yield kind, value, frame.format(value=value, word=WORDS[kind])


def clean_texts(chance: random.Random, count: int) -> list[str]:
    """Texts with dates, sums, orders, versions, measures and private addresses."""

    def digits(size: int) -> str:
        return "".join(str(chance.randrange(10)) for _ in range(size))

    def day() -> int:
        return chance.randrange(1, 29)

    made = (
        lambda: f"Order {digits(8)} of 2026-{chance.randrange(1, 13):02}-{day():02} has not arrived",
        lambda: f"I paid {chance.randrange(1, 9999):,}.{digits(2)} on {day()}.{chance.randrange(1, 13)}.2026",
        lambda: f"version {digits(1)}.{day()}.{day()} fails with error 0x{digits(4)}",
        lambda: f"tracking number 1Z{digits(6)}{digits(8)}, parcel {digits(9)}",
        lambda: f"invoice no. {digits(6)}-{digits(3)}, article {digits(5)}.{digits(2)}",
        lambda: f"between {chance.randrange(1900, 2000)} and 20{digits(2)} it grew by {digits(2)}.{digits(1)} %",
        lambda: f"192.168.{chance.randrange(256)}.{chance.randrange(256)} does not answer on port {digits(4)}",
        lambda: f"ISBN 978-{digits(1)}-{digits(5)}-{digits(3)}-{digits(1)}, page {digits(3)}",
        lambda: f"take {digits(2)} mg at {chance.randrange(24):02}:{digits(2)}, then {digits(3)} ml every {day()} h",
        lambda: f"the ticket #{digits(7)} was closed after {digits(2)} days, see page {digits(2)}-{digits(2)}",
        lambda: f"coordinates {chance.randrange(90)}.{digits(6)}, {chance.randrange(180)}.{digits(6)}",
        lambda: f"user_id={digits(12)} session={digits(16)}",
        lambda: f"serial {digits(3)} {digits(4)} {digits(4)} and batch {digits(3)}/{digits(5)}",
    )
    return [chance.choice(made)() for _ in range(count)]


def _value(kind: str, chance: random.Random) -> str:
    def n(size: int) -> str:
        return "".join(str(chance.randrange(10)) for _ in range(size))

    if kind == "email":
        name = chance.choice(("anna", "j.smith", "li_wei", "m-garcia", "kurt.w99", "info+x"))
        return f"{name}@{chance.choice(('mail', 'web-post', 'uni'))}.{chance.choice(('org', 'de', 'co.uk', 'io'))}"
    if kind == "phone":
        forms = (
            f"+44 20 {n(4)} {n(4)}",
            f"+49 30 {n(7)}",
            f"+1-415-555-{n(4)}",
            f"(415) 555-{n(4)}",
            f"0049 89 {n(6)}",
        )
        return chance.choice((*forms, f"07{n(3)} {n(6)}", f"+33 6 {n(2)} {n(2)} {n(2)} {n(2)}", f"+9198{n(8)}"))
    if kind == "iban":
        country, size = chance.choice((("DE", 18), ("ES", 20), ("PL", 24), ("BE", 12), ("CH", 17)))
        body = n(size)
        check = 98 - int(body + "".join(str(ord(c) - 55) for c in country) + "00") % 97
        whole = f"{country}{check:02}{body}"
        return whole if chance.random() < 0.4 else " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))
    if kind == "card":
        body = chance.choice(("4" + n(14), "5" + str(chance.randrange(1, 6)) + n(13)))
        total = sum(int(d) if i % 2 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(body))
        whole = body + str(-total % 10)
        divider = chance.choice(("", " ", "-"))
        return divider.join(whole[i : i + 4] for i in range(0, 16, 4))
    if kind == "us ssn":
        return f"{chance.randrange(1, 666):03}-{chance.randrange(1, 100):02}-{chance.randrange(1, 10000):04}"
    if kind == "german tax id":
        digits = chance.sample("0123456789", 10)
        digits[chance.randrange(1, 9)] = digits[9]
        if digits[0] == "0":
            digits[0], digits[1] = digits[1], digits[0]
        p = 10
        for d in digits:
            s = (int(d) + p) % 10
            p = (s if s else 10) * 2 % 11
        whole = "".join(digits) + str((11 - p) % 10)
        return whole if chance.random() < 0.5 else f"{whole[:2]} {whole[2:5]} {whole[5:8]} {whole[8:]}"
    if kind == "uk nhs number":
        while True:
            body = n(9)
            check = (11 - sum(int(d) * (10 - i) for i, d in enumerate(body)) % 11) % 11
            if check < 10:
                return f"{body[:3]} {body[3:6]} {body[6:]}{check}"
    if kind == "french nir":
        body = f"{chance.choice('12')}{n(2)}{chance.randrange(1, 13):02}{chance.randrange(1, 96):02}{n(6)}"
        return f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {97 - int(body) % 97:02}"
    if kind == "spanish id":
        body = n(8)
        return body + chance.choice(("", "-")) + "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23]
    if kind == "codice fiscale":
        body = "".join(chance.choice(_CONSONANTS) for _ in range(6)) + f"{n(2)}{chance.choice('ABCDEHLMPRST')}"
        body += f"{chance.randrange(1, 29):02}{chance.choice('ABCDEFGHIL')}{n(3)}"
        odd = dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True))
        order = "BAKPLCQDREVOSFTGUHMINJWZYX"  # letters by their value on odd places
        odd |= {c: order.index(c) for c in _LETTERS}
        total = sum(odd[c] if i % 2 == 0 else (int(c) if c.isdigit() else ord(c) - 65) for i, c in enumerate(body))
        return body + _LETTERS[total % 26]
    if kind == "dutch bsn":
        while True:
            body = n(8)
            check = sum(int(d) * (9 - i) for i, d in enumerate(body)) % 11
            if check < 10 and body[0] != "0":
                return body + str(check)
    if kind == "aadhaar":
        body = str(chance.randrange(2, 10)) + n(10)
        whole = body + next(d for d in "0123456789" if _verhoeff(body + d) == 0)
        return f"{whole[:4]} {whole[4:8]} {whole[8:]}"
    if kind == "pesel":
        body = f"{n(2)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}{n(4)}"
        return body + str(-sum(int(d) * (1, 3, 7, 9)[i % 4] for i, d in enumerate(body)) % 10)
    if kind == "personnummer":
        body = f"{n(2)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}{n(3)}"
        total = sum(int(d) if i % 2 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(body))
        return f"{body[:6]}-{body[6:]}{-total % 10}"
    if kind == "cpf":
        body = n(9)
        for _ in range(2):
            body += str(sum(int(d) * (len(body) + 1 - i) for i, d in enumerate(body)) * 10 % 11 % 10)
        return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"
    return ".".join(str(x) for x in (chance.choice((8, 52, 81, 91, 185)), *(chance.randrange(256) for _ in range(3))))


def _verhoeff(number: str) -> int:
    """By multiplication in the group of the symmetries of a pentagon: turns 0 to 4, and flips 5 to 9."""
    check = 0
    turned = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    steps = [turned]
    for _ in range(7):
        steps.append([(1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[x] for x in steps[-1]])
    for place, digit in enumerate(reversed(number)):
        a, b = check, steps[place % 8][int(digit)]
        turned_by = a + b if a < 5 else a - b
        check = turned_by % 5 + (5 if (a < 5) != (b < 5) else 0)
    return check
