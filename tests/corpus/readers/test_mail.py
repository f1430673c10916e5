"""Mail: the new text alone, in every encoding; nothing that a library hangs on."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from domainkit.corpus.document import Document
from domainkit.corpus.readers.mail import own_text, read_mail
from domainkit.corpus.reading import collecting_warnings
from domainkit.errors import DataError


def read(path: Path, data: bytes) -> Document:
    path.write_bytes(data)
    [document] = read_mail(path, "a")
    return document


def test_a_message_is_its_new_text(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Größe 果樹園", "Ann <ann@example.org>", "bob@example.org"
    message["Date"] = "Tue, 03 Mar 2026 09:00:00 +0100"
    message.set_content("Hello,\n\nfine.\n-- \nSIGNATURE\n\nOn Mon, Bob wrote:\n> QUOTED\n")
    message.add_alternative("<p>HTML</p>", subtype="html")
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename="../../evil.pdf")
    with collecting_warnings() as warnings:
        document = read(tmp_path / "a.eml", bytes(message))
    assert (document.title, document.text) == ("Größe 果樹園", "Hello,\n\nfine.")
    assert document.meta["attachments"] == ["evil.pdf"]
    assert document.meta["date"] == "2026-03-03T09:00:00+01:00"
    assert [p.what for p in warnings] == ["1 attachment not read: 'evil.pdf'"]


@pytest.mark.parametrize(
    "declared, body, text",
    [
        ("iso-2022-jp", "果樹園".encode("iso2022_jp"), "果樹園"),
        ("x-unknown", b"caf\xe9", "café"),
        ("us-ascii", "naïve".encode(), "naïve"),
        ("windows-1252", b"\x93so\x94 \x80", "“so” €"),
    ],
)
def test_bodies_are_decoded(tmp_path: Path, declared: str, body: bytes, text: str) -> None:
    head = f"Subject: x\nContent-Type: text/plain; charset={declared}\nContent-Transfer-Encoding: 8bit\n\n".encode()
    assert read(tmp_path / "a.eml", head + body).text == text


def test_a_message_in_html_alone_is_read_without_its_quotes(tmp_path: Path) -> None:
    html = "<p>New.</p><p hidden>HIDDEN</p><blockquote>OLD</blockquote>"
    assert read(tmp_path / "a.eml", f"Subject: x\nContent-Type: text/html\n\n{html}".encode()).text == "New."


@pytest.mark.parametrize(
    "start",
    [
        "On 3 March Bob <b@x.org> wrote:",
        "Am 3. März schrieb Bob:",
        "Le 3 mars, Bob a écrit :",
        "-----Original Message-----",
        "From: Bob\nSent: Monday",
        "________________________________",
    ],
)
def test_quoted_messages_are_cut_unless_forwarded(start: str) -> None:
    text = f"New.\n\n{start}\nOLD"
    assert own_text(text).strip() == "New."
    assert own_text(text, "Fwd: news") == text
    assert "OLD" in own_text(f"{start}\n> OLD")


def test_a_from_within_a_sentence_is_no_quote() -> None:
    text = "From: the start\nwe said so."
    assert own_text(text) == text


@pytest.mark.parametrize(
    "data, what",
    [
        (b"Subject: " + b"x" * 300_000 + b"\n\nbody", "has 300,009 bytes of headers"),
        (b"Subject: x\n\n" + b"\n--b" * 3000, "marks of parts"),
    ],
)
def test_mail_without_end_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what):
        read(tmp_path / "a.eml", data)


def test_parts_within_parts_are_refused(tmp_path: Path) -> None:
    parts = "".join(f"--b{i}\nContent-Type: multipart/mixed; boundary=b{i + 1}\n\n" for i in range(40))
    with pytest.raises(DataError, match="parts within parts"):
        read(tmp_path / "a.eml", f"Content-Type: multipart/mixed; boundary=b0\n\n{parts}".encode())
