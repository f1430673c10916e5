"""Mail: the new text of a message, without what it quotes and without the signature."""

from __future__ import annotations

import email
import email.errors
import email.policy
import re
from collections.abc import Iterator
from contextlib import suppress
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from domainkit import storage
from domainkit.corpus.archive import refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.markup import add_markup, drop_hidden, parse_markup
from domainkit.corpus.reading import warn
from domainkit.text.encoding import decode

MAX_BYTES = 100 * 2**20
MAX_HEADER_BYTES = 256 * 2**10
MAX_PARTS = 1000
MAX_DEPTH = 20
_QUOTE_STARTS = re.compile(
    r"""^(?:
        -{2,}\s*(?:Original\ Message|Ursprüngliche\ Nachricht|Message\ d'origine|Mensaje\ original|
            Messaggio\ originale|Mensagem\ original|Oorspronkelijk\ bericht|Forwarded\ message|元のメッセージ)\s*-{2,}
        |_{20,}\s*$
        |On\ .{5,200}\ wrote:\s*$
        |Am\ .{5,200}\ schrieb\b.{0,200}:\s*$
        |Le\ .{5,200}\ a\ écrit\s*:\s*$
        |El\ .{5,200}\ escribió\s*:\s*$
        |Il\ .{5,200}\ ha\ scritto\s*:\s*$
        |Em\ .{5,200}\ escreveu\s*:\s*$
        |Op\ .{5,200}\ schreef\b.{0,200}:\s*$
        |(?:From|Von|De|Da|Van)\s*:\ .{1,200}\n
            \**(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado|Inviato|Verzonden)\b.{0,20}:
    )""",
    re.MULTILINE | re.VERBOSE,
)
_SIGNATURE = re.compile(r"^--[ \xa0]?$.*", re.MULTILINE | re.DOTALL)
_QUOTED_LINE = re.compile(r"^[ \t]*>.*\n?", re.MULTILINE)
_FORWARDED = re.compile(r"^\s*(?:fwd?|wg|tr|rv|i|enc|doorst)\s*:", re.IGNORECASE)


def read_mail(path: Path, name: str) -> Iterator[Document]:
    """One document: the subject is the title; sender, recipients, date and attachments' names are in `meta`.

    Raises DataError for a message beyond the limits above, which a library could hang on.
    """
    message = _parse(path)
    texts, html, attachments = _bodies(path, message)
    text, subject = MarkedText(), header(message, "Subject")
    if any(t.strip() for t in texts):
        text.add(own_text("\n\n".join(texts), subject))
    elif html:
        add_html(path, "\n".join(html), subject, text)
    facts = {
        "from": header(message, "From"),
        "to": header(message, "To"),
        "date": _date(message),
        "attachments": attachments,
    }
    if attachments:
        warn_of_attachments(path, attachments)
    document = text.document(path, name, title=subject, meta={k: v for k, v in facts.items() if v})
    if document is not None:
        yield document


def header(message: Message, name: str) -> str:
    """A decoded header on one line; what cannot be decoded stays as it is written."""
    value = message.get(name)
    if value is None:
        return ""
    raw = str(value)
    try:
        decoded = str(make_header(decode_header(raw)))
    except (LookupError, UnicodeError, ValueError, email.errors.HeaderParseError):
        decoded = raw
    if any("\udc80" <= c <= "\udcff" for c in decoded):  # letters beyond ASCII without an encoded word
        decoded = decode(decoded.encode("utf-8", "surrogateescape")).text
    return " ".join(decoded.split())


def own_text(text: str, subject: str = "") -> str:
    """A message's text without quoted messages and its signature; a forwarded message is kept."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _FORWARDED.match(subject):
        return text
    own = _QUOTE_STARTS.split(text, maxsplit=1)[0]
    own = _QUOTED_LINE.sub("", _SIGNATURE.sub("", own))
    return own if any(map(str.isalnum, own)) else _QUOTED_LINE.sub(lambda m: m[0].lstrip("> \t"), text)


def add_html(path: Path, html: str, subject: str, text: MarkedText) -> None:
    """Add the parts of a message in HTML, without the messages it quotes."""
    tree = parse_markup(path, html)
    drop_hidden(tree)
    if not _FORWARDED.match(subject):
        quotes = "blockquote, .gmail_quote, .gmail_signature, #divRplyFwdMsg, .moz-cite-prefix, .yahoo_quoted"
        for quote in reversed(tree.css(quotes)):
            quote.decompose()
    add_markup(path, tree.body, text)


def warn_of_attachments(path: Path, names: list[str]) -> None:
    shown = ", ".join(f"'{name}'" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    what = f"{len(names)} attachment{'s' if len(names) > 1 else ''} not read: {shown}"
    warn(path, what, "save what you want read into the folder")


def _parse(path: Path) -> Message:
    try:
        data = storage.read_bytes(path, MAX_BYTES)
    except OSError as e:
        raise refused(path, f"cannot be read: {e.strerror or e}", "save it again without attachments") from None
    head = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]
    if len(head) > MAX_HEADER_BYTES:
        raise refused(path, f"has {len(head):,} bytes of headers", "do not trust it: mail has some thousand")
    if data.count(b"\n--") > 2 * MAX_PARTS:
        raise refused(path, f"has {data.count(b'--'):,} marks of parts", "save the text you want as .txt")
    try:
        # compat32 keeps what it cannot decode; the newer policy raises for unknown encodings.
        return email.message_from_bytes(data, policy=email.policy.compat32)
    except RecursionError:
        raise refused(path, "is nested too deep", "save the text you want as .txt") from None


def _bodies(path: Path, message: Message) -> tuple[list[str], list[str], list[str]]:
    """(plain texts, HTML texts, names of attachments)."""
    texts: list[str] = []
    html: list[str] = []
    attachments: list[str] = []
    waiting: list[tuple[Message, int]] = [(message, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH or len(texts) + len(html) + len(attachments) > MAX_PARTS:
            raise refused(path, "has parts within parts without end", "save the text you want as .txt")
        kind = part.get_content_type()
        is_attachment = part.get_content_disposition() == "attachment" or (kind == "message/rfc822" and depth > 0)
        if is_attachment or (not part.is_multipart() and not kind.startswith("text/")):
            attachments.append(_file_name(part))
        elif part.is_multipart():
            waiting += [(inner, depth + 1) for inner in reversed(_inner_parts(part))]
        elif kind == "text/html":
            html.append(_body_text(part))
        elif kind == "text/plain" or not part.get_filename():
            texts.append(_body_text(part))
        else:
            attachments.append(_file_name(part))
    return texts, html, attachments


def _inner_parts(part: Message) -> list[Message]:
    payload: Any = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _file_name(part: Message) -> str:
    """An attachment's name without folders: it may hold `../`. A message within the message is named by its subject."""
    inner = _inner_parts(part)
    name = part.get_filename() or (header(inner[0], "Subject") if inner else "")
    with suppress(LookupError, UnicodeError, ValueError, email.errors.HeaderParseError):
        name = str(make_header(decode_header(name))) if name else ""
    return re.split(r"[/\\]", name)[-1].strip() or part.get_content_type()


def _body_text(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    declared = part.get_content_charset()
    if declared == "us-ascii":  # what mail says where nobody chose an encoding
        declared = None
    try:
        return decode(data, declared).text
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _date(message: Message) -> str:
    try:
        return parsedate_to_datetime(header(message, "Date")).isoformat()
    except (ValueError, TypeError):
        return ""
