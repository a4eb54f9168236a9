"""The encoder's speed: passages in bulk and single questions, against sentence-transformers' default `encode`.

    OMP_NUM_THREADS=1 python benchmarks/encoder.py --out benchmarks/results/encoder.json

The passages are those of the demo documents, as they are embedded; the questions those of about twelve words. All
ways take turns in every round, on both clocks: wall time is what a user waits, CPU time says more on a busy machine
(with one thread). `modules` is Candor's batching over transformers' own modules, 2048 tokens a batch, as it was before
the layers were run directly. ONNX Runtime (with onnx, which its converter needs) and OpenVINO take part where they
are installed: the same weights, batches and pooling, in float32 and with all their graph optimisations.
"""

import argparse
import copy
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).resolve().parents[1]
THEIRS = "sentence_transformers"
Way = Callable[[Sequence[str]], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--passages", type=int, default=64)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from retrieval.encoder.embed import load_encoder

    encoder = load_encoder()
    found = ways(encoder, options.threads, folder)
    texts = passages(options.passages)
    bulk = times(found, [texts] * (options.rounds + 1))
    single = times(found, [[question] for question in questions(options.questions + 10)], warm=10)
    lengths = [len(spans) + 2 for _, spans in encoder.encode_tokens(texts)]
    return {
        "threads": options.threads,
        "processor": processor(),
        "arithmetic": {name: "float32" for name in found} | {"candor": arithmetic(encoder)},
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES if present(name)},
        "passages": len(texts),
        "tokens": {"mean": round(statistics.mean(lengths), 1), "longest": max(lengths)},
        "tokens_per_batch": encoder._budget,
        "rounds": options.rounds,
        "bulk": {name: row(name, bulk, "seconds") for name in found},
        "cosine_to_sentence_transformers": {name: cosines(way, found[THEIRS], texts) for name, way in found.items()},
        "questions": options.questions,
        "single": {name: row(name, single, "milliseconds") for name in found},
    }


PACKAGES = ("torch", "transformers", "sentence-transformers", "onnxruntime", "openvino")


def ways(encoder: Any, threads: int, folder: Path) -> dict[str, Way]:  # noqa: ANN401
    """Return what encodes, by name."""
    from sentence_transformers import SentenceTransformer
    from transformers import BertModel

    from retrieval.encoder.embed import minilm_files

    packaged = next(iter(minilm_files())).parent
    theirs = SentenceTransformer(str(packaged), device="cpu")
    model = BertModel.from_pretrained(packaged).eval()
    native = copy.deepcopy(model).to(encoder.dtype)
    modules = copy.copy(encoder)
    modules._budget = 2048
    modules._states = lambda tokens, mask, layers: native(tokens, attention_mask=mask.long()).last_hidden_state
    found: dict[str, Way] = {
        THEIRS: lambda texts: theirs.encode(list(texts), show_progress_bar=False),
        "modules": modules.encode,
        "candor": encoder.encode,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the tracing of sizes
        for name, needs, load in (
            ("onnxruntime", ("onnxruntime", "onnx"), onnx_runtime),
            ("openvino", ("openvino",), openvino),
        ):
            if all(map(present, needs)):
                other = copy.copy(encoder)
                other._states = load(model, threads, folder)
                found[name] = other.encode
    return found


def onnx_runtime(model: Any, threads: int, folder: Path) -> Callable[..., Any]:  # noqa: ANN401
    import onnxruntime
    import torch

    axes = {0: "texts", 1: "tokens"}
    names = ["input_ids", "attention_mask"]
    torch.onnx.export(
        wrapped(model),
        example(),
        str(folder / "model.onnx"),
        input_names=names,
        output_names=["states"],
        dynamic_axes={name: axes for name in (*names, "states")},
        opset_version=17,
        dynamo=False,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def states(tokens: torch.Tensor, mask: torch.Tensor, layers: int | None) -> torch.Tensor:
        given = {"input_ids": tokens.numpy(), "attention_mask": mask.long().numpy()}
        return torch.from_numpy(session.run(None, given)[0])

    return states


def openvino(model: Any, threads: int, folder: Path) -> Callable[..., Any]:  # noqa: ANN401
    import openvino
    import torch

    ids, mask = example()
    made = openvino.convert_model(wrapped(model), example_input={"input_ids": ids, "attention_mask": mask})
    how = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.compile_model(made, "CPU", how).create_infer_request()

    def states(tokens: torch.Tensor, mask: torch.Tensor, layers: int | None) -> torch.Tensor:
        given = {"input_ids": tokens.numpy(), "attention_mask": mask.long().numpy()}
        return torch.from_numpy(request.infer(given)[0].copy())

    return states


def wrapped(model: Any) -> Any:  # noqa: ANN401
    """The model as a function of tokens and mask to its last states, which converters ask for."""
    import torch

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return found

    return States().eval()


def example() -> tuple[Any, Any]:
    """Two texts, one of them padded."""
    import torch

    mask = torch.ones((2, 16), dtype=torch.long)
    mask[1, 10:] = 0
    return torch.arange(1000, 1032).reshape(2, 16), mask


def times(
    found: Mapping[str, Way], given: Sequence[Sequence[str]], warm: int = 1
) -> dict[str, list[tuple[float, float]]]:
    """Return per way the seconds (wall, CPU) for each of `given` after the first `warm`, all ways taking turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    order = list(found)
    for number, texts in enumerate(given):
        order = order[1:] + order[:1]
        for name in order:
            wall, cpu = time.perf_counter(), time.process_time()
            found[name](texts)
            if number >= warm:
                taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return taken


def row(name: str, taken: Mapping[str, Sequence[tuple[float, float]]], unit: str) -> dict[str, Any]:
    """Medians of one way on both clocks, and how often sentence-transformers' time holds it, round by round."""
    scale = 1000 if unit == "milliseconds" else 1
    shown: dict[str, Any] = {}
    for place, clock in enumerate(("wall", "cpu")):
        own = [pair[place] for pair in taken[name]]
        theirs = [pair[place] for pair in taken[THEIRS]]
        shown[f"{clock}_{unit}"] = round(statistics.median(own) * scale, 3)
        shown[f"{clock}_speed"] = round(statistics.median(b / a for a, b in zip(own, theirs, strict=True)), 2)
    return shown


def cosines(way: Way, theirs: Way, texts: Sequence[str]) -> dict[str, float]:
    import numpy as np

    own, other = (np.asarray(each(texts), dtype=np.float64) for each in (way, theirs))
    found = (own * other).sum(1) / np.linalg.norm(own, axis=1) / np.linalg.norm(other, axis=1)
    return {"mean": round(float(found.mean()), 7), "min": round(float(found.min()), 7)}


def passages(count: int) -> list[str]:
    """Passages of the demo documents, as they are embedded, in an order of chance."""
    from retrieval.markup import from_markdown
    from retrieval.passages import cut, embedding_text

    found = []
    for path in sorted((ROOT / "examples/demo/sources").glob("*.md")):
        document = from_markdown(path.read_text(encoding="utf-8"), path.name, path.stem)
        found += [embedding_text(passage) for passage in cut(document)]
    random.Random(0).shuffle(found)
    return found[:count]


def questions(count: int) -> list[str]:
    """Questions of the demo of about twelve words; they come again when there are too few."""
    lines = (ROOT / "examples/demo/questions.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [text for line in lines for text in json.loads(line)["context"]]
    found = [text for text in dict.fromkeys(texts) if 11 <= len(text.split()) <= 13]
    return (found * count)[:count]


def arithmetic(encoder: Any) -> str:  # noqa: ANN401
    import torch

    packed = encoder.dtype == torch.float32 and torch.backends.quantized.engine in ("x86", "fbgemm")
    return "float32, weights packed as float16" if packed else str(encoder.dtype).removeprefix("torch.")


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return " ".join([names[0] if names else platform.processor(), *known])


def present(name: str) -> bool:
    return importlib.util.find_spec(name.replace("-", "_")) is not None


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main()
