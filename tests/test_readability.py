"""Text that nobody could read is told from writing in any language."""

import base64
import hashlib
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import pdf, read, refusal

from retrieval.passages import cut
from retrieval.sources import read_documents
from retrieval.sources.encoded import encoded
from retrieval.sources.readability import readable, why_unreadable
from retrieval.types import Document, Note, Section, SourceError

GOOD = {
    "English": "It's a “naïve” café — 5 °C, §3, £20… and so on. Really?",
    "French": "L’été, les élèves révisent leurs leçons à l’école : “Élève, où êtes-vous ?” «Là-bas, près du chêne.»",
    "German": "Füße müssen größer sein, über Öfen und Äcker hinweg, schönes Mädchen, süße Übermüdung.",
    "Icelandic": "Það er alltaf góð hugmynd að lesa bækur á íslensku þegar úti er kalt og dimmt.",
    "Vietnamese": "Tôi đã đọc một quyển sách rất hay về lịch sử của Việt Nam và các nước láng giềng.",
    "Russian": "Нил — длиннейшая река Африки. «Да…» — сказал он. “Я…” Ещё съешь этих мягких булок.",
    "Chinese": "尼罗河是世界上最长的河流之一，流经非洲东北部。“你好！”",
    "Japanese": "ナイル川はアフリカ大陸の東北部を流れ、地中海に注ぐ世界最長級の河川である。",
    "Hindi": "नील नदी अफ्रीका की सबसे लंबी नदी है और भूमध्य सागर में गिरती है।",
    "Arabic": "نهر النيل هو أطول أنهار الكرة الأرضية ويقع في قارة أفريقيا.",
    "Emoji": "Well done 🎉🎉🎉🎉 👩‍👩‍👧 and more 🚀🚀🚀🚀",
    "Contents": "Chapter 1 ................ 5\nChapter 2 …………………………………… 9\n• • • • • • • • • •",
}


@pytest.mark.parametrize("language", GOOD)
def test_real_writing_is_no_noise(language: str) -> None:
    for kind in ("text", "PDF"):
        assert why_unreadable(GOOD[language] * 5, kind) == ""


@pytest.mark.parametrize("language", ["French", "German", "Icelandic", "Russian", "Vietnamese", "Chinese", "Japanese"])
def test_writing_decoded_with_the_wrong_encoding_is(language: str) -> None:
    for wrong in ("cp1252", "latin-1"):
        garbled = (GOOD[language] * 5).encode().decode(wrong, "replace")
        assert why_unreadable(garbled) != "", garbled[:80]


def test_legacy_bytes_read_as_western_are_refused_or_recognised(tmp_path: Path) -> None:
    long = GOOD["Russian"] * 20
    assert read(tmp_path, "a.txt", long.encode("cp1251", "ignore")).text.startswith("Нил — длиннейшая река")
    assert "encoding is unknown" in refusal(tmp_path, "b.txt", bytes(range(0xC0, 0xFF)) * 3)
    assert "garbled" in refusal(tmp_path, "c.txt", long.encode("cp1251", "ignore").decode("cp1252").encode())


def test_lost_characters_and_letters_of_no_script_are_noise() -> None:
    assert "8 of" in why_unreadable("R\ufffdka " * 8)
    assert why_unreadable("R\ufffdka" + " is a river of some length" * 20) == ""
    assert "no script" in why_unreadable("\ue001\ue002 \ue003\ue004 " * 10)


def test_a_pdf_whose_fonts_do_not_tell_their_letters_is_refused(tmp_path: Path) -> None:
    assert "glyphs" in refusal(tmp_path, "a.pdf", pdf("/g12/g31/g7/g19 /g4/g5/g6/g7/g8 /g9/g10"))
    english = "The longest river of Africa flows north through eleven countries into the sea. " * 5
    shifted = "".join(chr((ord(c) - 97 + 3) % 26 + 97) if c.islower() else c for c in english)
    assert (why_unreadable(english, "PDF"), "spell no words" in why_unreadable(shifted, "PDF")) == ("", True)


def test_machine_written_code_is_refused(tmp_path: Path) -> None:
    assert "not written by hand" in refusal(tmp_path, "a.js", b"a=b(c,d);" * 1000)


def test_a_noisy_part_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = "The Nile is long. " * 50, "Ð\x9dÐ¸Ð» " * 4
    sections = (Section((), 0, len(good), "p. 1"), Section((), len(good), len(good + bad), "p. 2"))
    with caplog.at_level(logging.WARNING):
        kept = readable(Document("a.pdf", "a", good + bad, sections), "PDF")
    assert kept.sections == sections[:1]
    assert "a.pdf: p. 2 is left out" in caplog.text
    with pytest.raises(SourceError, match="garbled"):
        readable(
            Document("a.pdf", "a", bad + bad, (Section((), 0, len(bad)), Section((), len(bad), 2 * len(bad)))), "PDF"
        )


@given(st.text(st.characters(max_codepoint=0x7F), max_size=300))
def test_plain_english_letters_are_never_misread_as_another_alphabet(text: str) -> None:
    assert why_unreadable(text) == ""


RANDOM = hashlib.shake_256(b"noise").digest(600)
BASE64 = base64.b64encode(RANDOM).decode()
WRAPPED = base64.encodebytes(RANDOM).decode()
CODES = {
    "base64": BASE64,
    "wrapped": WRAPPED,
    "of letters": base64.b64encode(b"The quick brown fox jumps over the lazy dog. " * 10).decode(),
    "for addresses": base64.urlsafe_b64encode(RANDOM).decode(),
    "address": f"data:image/png;base64,{BASE64}",
    "PEM": f"-----BEGIN CERTIFICATE-----\n{WRAPPED}-----END CERTIFICATE-----",
    "hexadecimal": RANDOM.hex(),
    "bytes": ", ".join(f"0x{byte:02x}" for byte in RANDOM[:200]),
    "dump": "\n".join(f"{16 * n:08x}  {RANDOM[16 * n : 16 * n + 16].hex(' ')}  |................|" for n in range(6)),
    "minified": "!function(e,t){" + "var a=b(c,d);e.f=function(g){return g+1};" * 40 + "}",
}
KEPT = {
    "digests": f"SHA-256 {hashlib.sha256(b'').hexdigest()}, SHA-512 {hashlib.sha512(b'').hexdigest()}",
    "integrity": f'integrity="sha512-{base64.b64encode(hashlib.sha512(b"").digest()).decode()}"',
    "a list of them": "\n".join(f"{hashlib.sha256(bytes([n])).hexdigest()}  file{n}.txt" for n in range(9)),
    "address": f"https://example.org/a?token={base64.urlsafe_b64encode(RANDOM[:60]).decode()}",
    "protein": "MKTAYIAKQRQISFVKSHFSRQ" * 20,
    "path": "/usr/local/share/Documents/Projects/" + "Retrieval/sources/encoded/Very/Long/" * 5 + "enough2",
    "figures": "31415926535897932384626433832795028841971" * 10 + "\n" + "12 34 56 78 " * 100,
    "ruler": "-" * 300 + "\n" + "=" * 300,
    "Chinese": "尼罗河是世界上最长的河流之一，流经非洲东北部。" * 40,
    "rows": '{"question": "Who wrote it?", "answer": "Jane Austen wrote it in 1813, it is said."}, ' * 20,
}


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("suffix", [".txt", ".md", ".html"])
def test_encoded_data_is_not_indexed_and_that_is_said(tmp_path: Path, name: str, suffix: str) -> None:
    code = f"```\n{CODES[name]}\n```" if suffix == ".md" else CODES[name]
    code = f"<pre>{code}</pre>" if suffix == ".html" else code
    document = read(tmp_path, f"a{suffix}", f"Prose before it.\n\n{code}\n\nProse after it.\n".encode())
    indexed = " ".join(document.text[section.start : section.end] for section in document.sections)
    assert " ".join(indexed.replace("<pre>", "").split()) == "Prose before it. Prose after it."
    assert document.notes == ((Note.ENCODED, 1),)
    assert [passage.text for passage in cut(document)] == ["Prose before it.", "Prose after it."]


@pytest.mark.parametrize("name", KEPT)
def test_digests_tokens_and_figures_are_no_encoded_data(name: str) -> None:
    assert encoded(f"Prose before it.\n\n{KEPT[name]}\n\nProse after it.") == []


def test_the_demo_holds_nothing_that_is_left_out() -> None:
    for path in sorted((Path(__file__).parents[1] / "examples/demo/sources").iterdir()):
        [document] = read_documents(path)
        assert document.notes == (), path


def test_a_file_of_encoded_data_alone_is_refused(tmp_path: Path) -> None:
    assert "holds encoded data alone" in refusal(tmp_path, "a.txt", WRAPPED.encode())


@given(st.text(st.characters(max_codepoint=0x7F), max_size=300), st.binary(max_size=400))
def test_spans_of_encoded_data_are_in_order(text: str, data: bytes) -> None:
    edges = [edge for span in encoded(f"{text}\n{base64.b64encode(data).decode()}\n{text}") for edge in span]
    assert edges == sorted(set(edges))
