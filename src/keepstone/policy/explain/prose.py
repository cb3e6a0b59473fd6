"""How lists and patterns stand in a sentence."""

from collections.abc import Sequence


def models_in_words(globs: Sequence[str]) -> str:
    """Return patterns of model ids as the object of a sentence."""
    return "every model" if "*" in globs else listed([f"`{each}`" for each in globs])


def listed(words: Sequence[str]) -> str:
    """Return words with commas and an `and`, as people list things."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
