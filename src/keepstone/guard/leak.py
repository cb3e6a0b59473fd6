"""Answers that repeat their own system prompt: the same words in a row, whatever stands between them.

Words are compared without letter case and punctuation; a character of Chinese, Japanese or Korean is a word.
`words` of the answer's words that the system prompt has in the same order are a leak; a prompt that has fewer
is not looked for. Translations, encodings and paraphrases are not seen. Time grows with the lengths of prompt
and answer, never with their product.
"""

import re
from collections import deque
from collections.abc import Iterable

from keepstone.policy.schema.guardrails import Action, PromptLeak

KIND = "SYSTEM_PROMPT"
DETECTOR = "prompt-leak"
MASK = f"{{{KIND}}}"
_WIDE = "\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_WIDE}]|(?:(?![{_WIDE}])\w){{1,64}}")
_BARRIER = "\x00"  # no word, so that no run reaches over it

Stretch = tuple[int, int]


class SystemPrompt:
    """What the system prompt of a call says, as hashes of all its runs of so many words."""

    __slots__ = ("_runs", "action", "words")

    def __init__(self, texts: Iterable[str], config: PromptLeak) -> None:
        prompt = " " + f" {_BARRIER} ".join(_words_of(text) for text in texts) + " "
        for allowed in config.allow:
            prompt = prompt.replace(f" {_words_of(allowed)} ", f" {_BARRIER} ")
        words = prompt.split()
        self._runs = frozenset(
            map(hash, zip(*(words[first:] for first in range(config.words)), strict=False))
        )
        self.words = config.words
        self.action = config.action

    def has(self, words: tuple[str, ...]) -> bool:
        """Say whether the prompt has a run of these words."""
        return hash(words) in self._runs

    def leaks(self, text: str) -> list[Stretch]:
        """Return the stretches of `text` that repeat the prompt."""
        follower = Follower(self)
        for match in _WORD.finditer(text):
            follower.take(match[0], match.start(), match.end())
        return follower.found

    def filtered(self, text: str) -> tuple[str, int]:
        """Return `text` as the action leaves it, and how often it repeats the prompt."""
        found = self.leaks(text) if self._runs else []
        return (_masked(text, found, 0) if self.action is Action.ANONYMIZE else text), len(found)


class Follower:
    """Follows a text's words through the prompt; `found` are the leaks so far, joined where they meet."""

    __slots__ = ("_prompt", "_starts", "_words", "found")

    def __init__(self, prompt: SystemPrompt) -> None:
        self._prompt = prompt
        self._words: deque[str] = deque(maxlen=prompt.words)
        self._starts: deque[int] = deque(maxlen=prompt.words)
        self.found: list[Stretch] = []

    def take(self, word: str, start: int, end: int) -> None:
        """Take the next word, which stands from `start` to `end`."""
        self._words.append(word.casefold())
        self._starts.append(start)
        if len(self._words) == self._prompt.words and self._prompt.has(tuple(self._words)):
            begin = self._starts[0]
            if self.found and begin <= self.found[-1][1]:
                begin = self.found.pop()[0]
            self.found.append((begin, end))

    @property
    def undecided(self) -> int | None:
        """Return where the text begins that further words may make part of a leak."""
        if not self._starts:
            return None
        first = self._starts[1] if len(self._starts) == self._prompt.words else self._starts[0]
        if self.found and first <= self.found[-1][1]:
            return self.found[-1][0]
        return first


class LeakStream:
    """Looks for leaks in a text that comes in pieces; the same result however it is cut.

    What a next word may still make a leak is held back. `count` leaks were found; `blocked` says that the
    stream has to end.
    """

    def __init__(self, prompt: SystemPrompt) -> None:
        self._prompt = prompt
        self._follower = Follower(prompt)
        self._text = ""  # what has not been released
        self._base = 0  # where in the whole text it begins
        self._next = 0  # where the next word is looked for
        self.count = 0

    @property
    def blocked(self) -> bool:
        """Say whether a leak was found that must not leave."""
        return self._prompt.action is Action.BLOCK and (self.count > 0 or bool(self._follower.found))

    def feed(self, text: str) -> str:
        """Take a piece; return what can be released."""
        self._text += text
        end = self._base + len(self._text)
        for match in _WORD.finditer(self._text, self._next - self._base):
            if match.end() == len(self._text):  # the word may go on
                end = self._base + match.start()
                break
            self._take(match)
        undecided = self._follower.undecided
        return self._release(end if undecided is None else min(end, undecided))

    def finish(self) -> str:
        """Return the rest; the text is over."""
        for match in _WORD.finditer(self._text, self._next - self._base):
            self._take(match)
        return self._release(self._base + len(self._text))

    def _take(self, match: re.Match[str]) -> None:
        self._follower.take(match[0], self._base + match.start(), self._base + match.end())
        self._next = self._base + match.end()

    def _release(self, place: int) -> str:
        """Return the text up to `place`, in which each leak is over."""
        if self.blocked:
            return ""
        found = self._follower.found
        done = [each for each in found if each[1] <= place]
        del found[: len(done)]
        self.count += len(done)
        released, base = self._text[: place - self._base], self._base
        self._text, self._base = self._text[place - base :], place
        return _masked(released, done, base) if self._prompt.action is Action.ANONYMIZE else released


def _masked(text: str, stretches: Iterable[Stretch], base: int) -> str:
    """Return `text`, which begins at `base`, with the mask in the place of each stretch."""
    position = base
    parts: list[str] = []
    for start, end in stretches:
        parts += (text[position - base : start - base], MASK)
        position = end
    return "".join((*parts, text[position - base :]))


def _words_of(text: str) -> str:
    return " ".join(each.casefold() for each in _WORD.findall(text))
