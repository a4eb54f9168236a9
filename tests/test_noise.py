"""Text that nobody could read is told from writing in any language."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import pdf, read, refusal

from retrieval.sources.noise import noise, sound
from retrieval.types import Document, Section, SourceError

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
        assert noise(GOOD[language] * 5, kind) == ""


@pytest.mark.parametrize("language", ["French", "German", "Icelandic", "Russian", "Vietnamese", "Chinese", "Japanese"])
def test_writing_decoded_with_the_wrong_encoding_is(language: str) -> None:
    for wrong in ("cp1252", "latin-1"):
        garbled = (GOOD[language] * 5).encode().decode(wrong, "replace")
        assert noise(garbled) != "", garbled[:80]


def test_legacy_bytes_read_as_western_are_refused_or_recognised(tmp_path: Path) -> None:
    long = GOOD["Russian"] * 20
    assert read(tmp_path, "a.txt", long.encode("cp1251", "ignore")).text.startswith("Нил — длиннейшая река")
    assert "encoding is unknown" in refusal(tmp_path, "b.txt", bytes(range(0xC0, 0xFF)) * 3)
    assert "garbled" in refusal(tmp_path, "c.txt", long.encode("cp1251", "ignore").decode("cp1252").encode())


def test_lost_characters_and_letters_of_no_script_are_noise() -> None:
    assert "8 of" in noise("R\ufffdka " * 8)
    assert noise("R\ufffdka" + " is a river of some length" * 20) == ""
    assert "no script" in noise("\ue001\ue002 \ue003\ue004 " * 10)


def test_a_pdf_whose_fonts_do_not_tell_their_letters_is_refused(tmp_path: Path) -> None:
    assert "glyphs" in refusal(tmp_path, "a.pdf", pdf("/g12/g31/g7/g19 /g4/g5/g6/g7/g8 /g9/g10"))
    english = "The longest river of Africa flows north through eleven countries into the sea. " * 5
    shifted = "".join(chr((ord(c) - 97 + 3) % 26 + 97) if c.islower() else c for c in english)
    assert (noise(english, "PDF"), "spell no words" in noise(shifted, "PDF")) == ("", True)


def test_machine_written_code_is_refused(tmp_path: Path) -> None:
    assert "not written by hand" in refusal(tmp_path, "a.js", b"a=b(c,d);" * 1000)


def test_a_noisy_part_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = "The Nile is long. " * 50, "Ð\x9dÐ¸Ð» " * 4
    sections = (Section((), 0, len(good), "p. 1"), Section((), len(good), len(good + bad), "p. 2"))
    with caplog.at_level(logging.WARNING):
        kept = sound(Document("a.pdf", "a", good + bad, sections), "PDF")
    assert kept.sections == sections[:1]
    assert "a.pdf: p. 2 is left out" in caplog.text
    with pytest.raises(SourceError, match="garbled"):
        sound(Document("a.pdf", "a", bad + bad, (Section((), 0, len(bad)), Section((), len(bad), 2 * len(bad)))), "PDF")


@given(st.text(st.characters(max_codepoint=0x7F), max_size=300))
def test_plain_english_letters_are_never_misread_as_another_alphabet(text: str) -> None:
    assert noise(text) == ""
