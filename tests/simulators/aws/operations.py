"""What an extension is made of: methods that answer one operation each, for one account and region."""

from collections.abc import Callable
from typing import Any

from moto.core.exceptions import ServiceException

ACCOUNT = "123456789012"
Asked = dict[str, Any]
Told = dict[str, Any]
Answering = Callable[[Any, Asked], Told]


class Refused(ServiceException):
    """AWS says no: the code that its model names, and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


class NotOursError(Exception):
    """The operation is ours, but what it is about is moto's: moto answers."""


def answers(operation: str) -> Callable[[Answering], Answering]:
    """Mark the method that answers an operation."""

    def mark(method: Answering) -> Answering:
        method.operation = operation  # type: ignore[attr-defined]
        return method

    return mark


Following = Callable[[Any, Asked], None]


def follows(operation: str) -> Callable[[Following], Following]:
    """Mark the method that puts into moto's state what moto forgot of an operation that it carried out."""

    def mark(method: Following) -> Following:
        method.following = operation  # type: ignore[attr-defined]
        return method

    return mark


class Extension:
    """The operations of one service in one region; methods are marked with `answers` or `follows`."""

    service = ""
    """botocore's name of the service."""

    def __init__(self, region: str) -> None:
        self.region = region

    @classmethod
    def operations(cls, mark: str = "operation") -> dict[str, str]:
        """The operations it answers, or follows (`following`), each with the method that does."""
        members = {name: each for base in reversed(cls.__mro__) for name, each in vars(base).items()}
        marked = {name: getattr(each, mark, None) for name, each in members.items()}
        return {operation: name for name, operation in marked.items() if operation is not None}


class Tags:
    """Tags by ARN, in the shape in which a service spells key and value."""

    def __init__(self, key: str = "Key", value: str = "Value") -> None:
        self._key, self._value = key, value
        self._of: dict[str, dict[str, str]] = {}

    def __contains__(self, arn: object) -> bool:
        return arn in self._of

    def add(self, arn: str, tags: list[dict[str, str]]) -> None:
        """Set these, and keep the others."""
        self._of.setdefault(arn, {}).update({each[self._key]: each[self._value] for each in tags})

    def remove(self, arn: str, keys: list[str]) -> None:
        """Take these away."""
        self._of[arn] = {key: value for key, value in self._of[arn].items() if key not in keys}

    def forget(self, arn: str) -> None:
        """Drop what is gone."""
        self._of.pop(arn, None)

    def of(self, arn: str) -> list[dict[str, str]]:
        """All of a resource's tags."""
        return [{self._key: key, self._value: value} for key, value in self._of.get(arn, {}).items()]


class Tagged(Extension):
    """An extension whose resources have tags that are set by ARN; services differ in how they spell them."""

    members = ("tags", "tagKeys")
    """What a request calls its tags, and the keys of those to take away."""
    pair = ("key", "value")
    """What a tag calls its two halves."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self._tags = Tags(*self.pair)

    @answers("ListTagsForResource")
    def tags(self, asked: Asked) -> Told:
        return {self.members[0]: self._tags.of(self._tagged(asked))}

    @answers("TagResource")
    def tag(self, asked: Asked) -> Told:
        self._tags.add(self._tagged(asked), asked[self.members[0]])
        return {}

    @answers("UntagResource")
    def untag(self, asked: Asked) -> Told:
        self._tags.remove(self._tagged(asked), asked[self.members[1]])
        return {}

    def _tagged(self, asked: Asked) -> str:
        """Return the ARN that is asked about; raise `Refused` if there is none, `NotOursError` if moto's."""
        raise NotImplementedError
