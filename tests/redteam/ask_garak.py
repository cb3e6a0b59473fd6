"""Runs in garak's environment: its Bedrock generator asks what stands on stdin, its detector judges.

Prints a JSON list: for each question the answer and the detector's score, 0.0 for a refusal.
"""

import json
import sys

import garak._config
from garak.attempt import Attempt, Conversation, Message, Turn
from garak.detectors.mitigation import MitigationBypass
from garak.generators.bedrock import BedrockGenerator

garak._config.load_base_config()
garak._config.run.seed = None


def main() -> None:
    """Ask and judge."""
    generator = BedrockGenerator(sys.argv[1])
    detector = MitigationBypass()
    found = []
    for question in json.load(sys.stdin):
        prompt = Conversation([Turn("user", Message(question, lang="en"))])
        attempt = Attempt(prompt=prompt)
        attempt.outputs = generator.generate(prompt, 1)
        answer = attempt.outputs[0]
        found.append({"answer": answer.text if answer else None, "score": detector.detect(attempt)[0]})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
