"""Runs in inspect-ai's environment: its Bedrock provider asks what stands on stdin.

Prints a JSON list: for each question the answer and the stop reason that inspect-ai read.
"""

import asyncio
import json
import sys

from inspect_ai.model import get_model


async def main() -> None:
    """Ask."""
    found = []
    async with get_model(f"bedrock/{sys.argv[1]}") as model:
        for question in json.load(sys.stdin):
            output = await model.generate(question)
            found.append({"answer": output.completion, "stop": output.stop_reason})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
