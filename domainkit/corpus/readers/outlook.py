"""Outlook's mail files (.msg)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.corpus.archive import refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.mail import add_html, own_text, warn_of_attachments
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.storage import JsonObject

if TYPE_CHECKING:
    from oxmsg import Message

_RTF = 0x1009
"""PidTagRtfCompressed of MS-OXPROPS."""


def read_outlook(path: Path, name: str) -> Iterator[Document]:
    """One document, as of a mail. Raises DataError for a file that is not a message, and for one in RTF alone."""
    message = _open(path)
    subject, text = message.subject or "", MarkedText()
    body, html = message.body or "", message.html_body or ""
    if body.strip():
        text.add(own_text(body, subject))
    elif html.strip():
        add_html(path, html, subject, text)
    attachments = [(a.file_name or "attachment").replace("\\", "/").split("/")[-1] for a in message.attachments]
    if not text.parts and _has_rtf(message):
        raise refused(path, "has its text in RTF alone", "save it from Outlook as .eml, .html or .txt")
    if attachments:
        warn_of_attachments(path, attachments)
    facts: JsonObject = {
        "from": message.sender or "",
        "to": ", ".join(r.email_address or r.name for r in message.recipients),
        "date": message.sent_date.isoformat() if message.sent_date else "",
        "attachments": attachments,
    }
    document = text.document(path, name, title=subject, meta={k: v for k, v in facts.items() if v})
    if document is not None:
        yield document


def _open(path: Path) -> Message:
    from oxmsg import Message

    if path.stat().st_size == 0:
        raise refused(path, "is empty", "delete it, or copy it again")
    try:
        return Message.load(str(path))
    except Exception as e:  # oxmsg and olefile raise ValueError, OSError, KeyError, struct.error, …
        if isinstance(e, MemoryError | RecursionError):
            raise
        raise refused(path, f"is not an Outlook message: {e}", "save it again from Outlook, or as .eml") from None


def _has_rtf(message: Message) -> bool:
    return message.properties.binary_prop_value(_RTF) is not None
