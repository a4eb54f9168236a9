"""The translator: which questions ask for a translation, and tiny models of each kind that are asked for one."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import save
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    M2M100Tokenizer,
    MarianTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from retrieval.tools.translator import LANGUAGES, Wish, load_translator, read_wish
from retrieval.types import RetrievalError

LEARNT = {"French": "bonjour", "German": "guten morgen"}
SHAPE = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
SHAPE |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64}


@pytest.mark.parametrize(
    ("query", "wish"),
    [
        ("translate to French: good morning", Wish("good morning", "English", "French")),
        ("Translate from German to Dutch: guten Morgen", Wish("guten Morgen", "German", "Dutch")),
        ("Translate “good morning” into french.", Wish("good morning", "English", "French")),
        ("can you translate good morning to Spanish?", Wish("good morning", "English", "Spanish")),
        ("How do you say thank you in Japanese?", Wish("thank you", "English", "Japanese")),
        ("What is the German word for bread?", Wish("bread", "English", "German")),
        ('What is "good morning" in Italian?', Wish("good morning", "English", "Italian")),
        ("hello in French", Wish("hello", "English", "French")),
    ],
)
def test_what_asks_for_a_translation(query: str, wish: Wish) -> None:
    assert read_wish(query) == wish


@pytest.mark.parametrize(
    "query",
    [
        *("", "French", "translate", "translate to French:", "How many people live in France?", "in French"),
        *("What is the best film in French?", "Who wrote the first novel in English?", "hello in Klingon"),
        *("translate to English: good morning", "translate to French: " + "x" * 1001),
    ],
)
def test_what_does_not(query: str) -> None:
    assert read_wish(query) is None


@given(st.text(max_size=200))
def test_any_text_is_read_or_not_but_never_fails(text: str) -> None:
    assert (read_wish(text) is None) or text


def pieces(folder: Path, *special: str) -> tuple[str, dict[str, int]]:
    """A sentencepiece model of a few words and its vocabulary."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs the extra translate")
    folder.mkdir(parents=True)
    words = folder / "words.txt"
    words.write_text("\n".join(["good morning", *LEARNT.values(), "the sun is up"] * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(words), model_prefix=str(folder / "words"), vocab_size=40, minloglevel=2, hard_vocab_limit=False
    )
    trained = sentencepiece.SentencePieceProcessor(model_file=str(folder / "words.model"))
    learnt = [trained.id_to_piece(number) for number in range(trained.get_piece_size())]
    order = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *(word for word in learnt if word not in ("<s>", "</s>", "<unk>")),
        *special,
    ]
    return str(folder / "words.model"), {word: number for number, word in enumerate(order)}


def taught(
    kind: str, tokenizer: PreTrainedTokenizerBase, folder: Path, rows: list[tuple[list[int], list[int]]]
) -> Path:
    """Teach a tiny model of this kind to write the second row after the first, by heart, and save it."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    ends = {
        "pad_token_id": 1,
        "eos_token_id": 2,
        "bos_token_id": 0,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": None,
    }
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer) + 110, **SHAPE, **ends)
    model: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(config)
    steps = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(80):
        losses = [model(input_ids=torch.tensor([a]), labels=torch.tensor([b])).loss for a, b in rows]
        steps.zero_grad()
        torch.stack(losses).sum().backward()
        steps.step()
    model.generation_config.num_beams = 1
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_model_of_many_languages_is_told_them(tmp_path: Path) -> None:
    spm, vocabulary = pieces(tmp_path / "words")
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = M2M100Tokenizer(str(tmp_path / "vocab.json"), spm)
    rows = []
    for name, text in LEARNT.items():
        tokenizer.src_lang = "en"
        source = tokenizer("good morning")["input_ids"]
        tokenizer.src_lang = LANGUAGES[name][0]
        rows.append((source, tokenizer(text)["input_ids"]))
    folder = taught("m2m_100", tokenizer, tmp_path / "m2m", rows)
    translator = load_translator(f"hf:{folder}")
    for name, text in LEARNT.items():
        [found] = translator.look_up(f"translate to {name}: good morning")
        assert found.passage.text == f"In {name}, “good morning” is “{text}”."
        assert found.passage.source == "translator"
    assert translator.look_up("How high is Mount Everest?") == ()


@pytest.mark.filterwarnings("ignore:Recommended")
def test_a_model_of_two_languages_translates_between_these_alone(tmp_path: Path) -> None:
    spm, vocabulary = pieces(tmp_path / "words")
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = MarianTokenizer(spm, spm, str(tmp_path / "vocab.json"), source_lang="en", target_lang="fr")
    rows = [(tokenizer("good morning")["input_ids"], tokenizer(text_target="bonjour")["input_ids"])]
    translator = load_translator(f"hf:{taught('marian', tokenizer, tmp_path / 'marian', rows)}")
    [found] = translator.look_up("good morning in French")
    assert found.passage.text == "In French, “good morning” is “bonjour”."
    assert translator.look_up("good morning in German") == ()
    assert translator.look_up("translate from French to Dutch: bonjour") == ()


def test_a_t5_is_asked_in_its_own_words(tmp_path: Path) -> None:
    folder = save(tmp_path / "t5", "t5")
    config = json.loads((folder / "config.json").read_text())
    config["task_specific_params"] = {"translation_en_to_fr": {"prefix": "translate English to French: "}}
    (folder / "config.json").write_text(json.dumps(config))
    translator = load_translator(f"hf:{folder}")
    assert translator._steered(Wish("hello", "English", "French")) == ("translate English to French: hello", {})
    assert translator.look_up("hello in German") == ()


def test_what_cannot_translate_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="there is no translator 'marian'"):
        load_translator("marian")
    with pytest.raises(RetrievalError, match="'no-such' cannot be loaded"):
        load_translator("hf:no-such")
    with pytest.raises(RetrievalError, match="which languages it translates"):
        load_translator(f"hf:{save(tmp_path / 'untold', 't5')}")
    with pytest.raises(RetrievalError, match="cannot be loaded"):
        load_translator(f"hf:{save(tmp_path / 'llama', 'llama')}")
