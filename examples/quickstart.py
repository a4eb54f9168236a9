"""Ingest a folder, ask two questions, and see where the answers come from and why they won.

    python examples/quickstart.py [FOLDER]

Without a folder it reads the demo sources beside this file. The library is kept in ./candor-data.
"""

# ruff: noqa: T201, a script talks by printing

import sys
from pathlib import Path

from app import open_bot

DEMO = Path(__file__).parent / "demo" / "sources"


def main() -> None:
    """Answer a question and its follow-up from the documents of a folder."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO
    with open_bot("candor-data", model="quote") as bot:
        print(f"{bot.ingest([folder]).count('added')} documents are new.")
        conversation = None
        for question in ("How high is Mount Everest?", "Who was the first to climb it?"):
            reply = bot.ask(question, conversation)
            conversation = reply.conversation
            print(f"\n> {question}\n{reply.text}")
            for cited in reply.citations:
                print(f"  [{cited.number}] {Path(cited.source).name}, support {cited.support:.2f}: “{cited.quote}”")
            for candidate in reply.trace.candidates[:3]:
                print(f"  {candidate.quality:.2f}  {candidate.dropped or 'may be served'}: {candidate.text[:60]}…")


if __name__ == "__main__":
    main()
