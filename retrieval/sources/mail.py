"""Mail: a saved message, one of Outlook's, or a mailbox in the mbox format, read message by message.

What is attached is handed on as it is, to be read as a file of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from pathlib import Path
from typing import Final

from retrieval.html import feed_html
from retrieval.outline import Outline, iso_date, one_line
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.letter import Attachment, Letter
from retrieval.sources.quoted import parts
from retrieval.types import Note, SourceError

_SHOWN: Final = ("From", "To", "Cc", "Date")
_REMEMBERED: Final = 500_000  # paragraphs of a mailbox that are not read again where a later message quotes them
_SHORTEST: Final = 40  # characters of such a paragraph


def read_eml(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Letter]]:
    """Yield the one message."""
    yield "", _message(path.read_bytes(), limits, _Said())


def read_msg(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Letter]]:
    """Yield the one message that Outlook saved."""
    from oxmsg import Message

    mail = Message.load(str(path))
    headers = {name.title(): value for name, value in mail.message_headers.items()}
    headers.setdefault("From", mail.sender or "")
    headers.setdefault("Date", f"{mail.sent_date:%a, %d %b %Y %H:%M}" if mail.sent_date else "")
    outline = Outline()
    _add_headers(outline, headers)
    if mail.body:
        _Said().add(outline, mail.body.replace("\r\n", "\n"))
    elif mail.html_body:
        feed_html(outline, mail.html_body)
    held = ((one_line(file.file_name or ""), file.file_bytes or b"") for file in mail.attachments)
    yield "", _letter(outline, one_line(mail.subject or ""), held, limits)


def read_mbox(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Letter | SourceError]]:
    """Yield the messages, numbered from 1. `mailbox` would read the whole file before the first of them."""
    number, said = 0, _Said()
    for data in _messages(path, limits.max_bytes):
        number += 1
        if len(data) > limits.max_bytes:
            yield f"#{number}", SourceError(f"more than the {limits.max_bytes} bytes allowed")
            continue
        try:
            yield f"#{number}", _message(data, limits, said)
        except SourceError as error:
            yield f"#{number}", error
        except Exception as error:  # one broken message, of which there are many kinds
            yield f"#{number}", SourceError(f"broken message ({type(error).__name__})")


def _messages(path: Path, most: int) -> Iterator[bytes]:
    """Yield the bytes of each message; a longer one is cut shortly after `most`."""
    lines: list[bytes] = []
    size, blank = 0, True
    with path.open("rb") as file:
        if not file.readline(1000).startswith(b"From "):
            raise SourceError("named as mailbox but its first line does not begin a mailbox: it begins with 'From '")
        while line := file.readline(1_000_000):
            if blank and line.startswith(b"From "):
                yield b"".join(lines)
                lines, size, blank = [], 0, False
                continue
            blank = not line.strip()
            if size <= most:
                lines.append(line[1:] if line.startswith(b">From ") else line)
                size += len(line)
    yield b"".join(lines)


@dataclass
class _Said:
    """The paragraphs of the messages so far, so that what one quotes of an earlier one is not read again."""

    known: set[int] = field(default_factory=set)

    def add(self, outline: Outline, body: str) -> None:
        """Append a body: the own text, then what it quotes, under the line that says who wrote it when."""
        now: set[int] = set()
        before = ""
        for wrote, text in parts(body):
            if wrote != before:
                outline.add(wrote, item=True)
                before = wrote
            for paragraph in text.split("\n\n"):
                plain = " ".join(paragraph.split())
                if wrote and hash(plain) in self.known:
                    outline.notes[Note.QUOTED] += 1
                    continue
                outline.add(paragraph)
                if len(plain) >= _SHORTEST:
                    now.add(hash(plain))
        if len(self.known) < _REMEMBERED:
            self.known |= now


def _message(data: bytes, limits: SourceLimits, said: _Said) -> Letter:
    message = BytesParser(policy=policy.default).parsebytes(data)
    assert isinstance(message, EmailMessage)
    outline = Outline()
    _add_headers(outline, {name: _header(message, name) for name in _SHOWN})
    if not outline.length and "Subject" not in message:
        raise SourceError("no message: it has none of the usual headers")
    body = message.get_body(("plain", "html"))
    if body is not None:
        text = _content(body, outline.notes)
        if body.get_content_subtype() == "html":
            feed_html(outline, text)
        else:
            said.add(outline, text)
    return _letter(outline, _header(message, "Subject"), _attached(message), limits)


def _add_headers(outline: Outline, headers: dict[str, str]) -> None:
    for name in _SHOWN:
        if value := one_line(headers.get(name) or ""):
            outline.add(f"{name}: {value}", item=True)
    outline.dated = iso_date(headers.get("Date"))


def _letter(outline: Outline, title: str, held: Iterable[tuple[str, bytes]], limits: SourceLimits) -> Letter:
    """Return the message; what is attached beyond what a file may take is named and left out."""
    names, files, room = list[str](), list[Attachment](), limits.max_bytes
    for name, data in held:
        names.append(name)
        if len(data) <= room:
            files.append(Attachment(name, data))
            room -= len(data)
        else:
            outline.notes[Note.ATTACHMENT] += 1
    if any(names):
        outline.add(f"Attached: {', '.join(filter(None, names))}")
    return Letter(outline.document("", title), tuple(files))


def _attached(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    for part in message.iter_attachments():
        name = one_line(part.get_filename() or "")
        if part.get_content_type() == "message/rfc822":
            [inner] = part.iter_parts() or [None]
            yield name or "message.eml", inner.as_bytes() if inner is not None else b""
            continue
        payload = part.get_payload(decode=True)
        if name and isinstance(payload, bytes):
            yield name, payload


def _header(message: EmailMessage, name: str) -> str:
    try:
        return one_line(str(message.get(name) or ""))
    except (ValueError, IndexError, AttributeError, TypeError):  # what headers of broken mail do to the library
        return ""


def _content(part: MIMEPart, notes: Counter[Note]) -> str:
    try:
        content = part.get_content()
    except (LookupError, UnicodeError):  # a character set that nobody knows
        payload = part.get_payload(decode=True)
        content = decode(payload, notes) if isinstance(payload, bytes) else ""
    return content if isinstance(content, str) else ""
