"""Mail: a saved message, or a mailbox in the mbox format, read message by message."""

from collections import Counter
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from pathlib import Path
from typing import Final

from retrieval.markup import feed_html
from retrieval.outline import Outline, one_line
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.types import Document, Note, SourceError

_SHOWN: Final = ("From", "To", "Cc", "Date")


def read_eml(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one message."""
    yield "", _message(path.read_bytes())


def read_mbox(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document | SourceError]]:
    """Yield the messages, numbered from 1. `mailbox` would read the whole file before the first of them."""
    number = 0
    for data in _messages(path, limits.max_bytes):
        number += 1
        if len(data) > limits.max_bytes:
            yield f"#{number}", SourceError(f"more than the {limits.max_bytes} bytes allowed")
            continue
        try:
            yield f"#{number}", _message(data)
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


def _message(data: bytes) -> Document:
    message = BytesParser(policy=policy.default).parsebytes(data)
    assert isinstance(message, EmailMessage)
    outline = Outline()
    for name in _SHOWN:
        if value := _header(message, name):
            outline.add(f"{name}: {value}", item=True)
    if not outline.length and "Subject" not in message:
        raise SourceError("no message: it has none of the usual headers")
    body = message.get_body(("plain", "html"))
    if body is not None:
        text = _content(body, outline.notes)
        if body.get_content_subtype() == "html":
            feed_html(outline, text)
        else:
            outline.add(text)
    names = [one_line(part.get_filename() or "") for part in message.iter_attachments()]
    if any(names):
        outline.add(f"Attached: {', '.join(filter(None, names))}")
    return outline.document("", _header(message, "Subject"))


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
