"""Where a value that is unknown until apply comes from, by the plan's configuration.

A plan says of each argument which references its expression has. If every one of them leads to resources, or
to what is certainly known, then the value comes from one of those resources. What passes a `local` cannot be
followed, for plans do not tell them: then nothing is claimed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_RESOURCE = re.compile(r"((?:data\.)?[a-z][a-z0-9_]*\.[A-Za-z_][\w-]*)((?:\[(?:\"[^\"]*\"|\d+)\])?)")
_STEP = re.compile(r"module\.([\w-]+)(?:\[[^\]]*\])?\.?")
_KNOWN = ("each.", "count.", "path.", "terraform.", "self.")
_PER_INSTANCE = frozenset({"each.key", "count.index"})
_DEEPEST = 12


class Opaque(Exception):  # noqa: N818 - a state, not a fault
    """The way of a value cannot be followed."""


class References:
    """The configuration of a plan, and the addresses of all instances that it speaks of."""

    def __init__(self, configuration: Mapping[str, Any], addresses: Iterable[str]) -> None:
        self._root: Mapping[str, Any] = configuration.get("root_module") or {}
        self._modules: dict[tuple[str, ...], Mapping[str, Any]] = {}
        self._written: dict[tuple[str, ...], Mapping[str, Mapping[str, Any]]] = {}
        self._known: dict[tuple[str, tuple[str, ...], str], tuple[str, ...]] = {}
        self._instances: dict[tuple[str, str], dict[str, None]] = {}
        for address in addresses:
            module, local = _split(address)
            self._instances.setdefault((module, _base(local)), {})[address] = None

    def expressions(self, address: str) -> Mapping[str, Any] | None:
        """Return the arguments of a resource as they are written; `None` where the plan does not tell."""
        module, local = _split(address)
        steps = tuple(_STEP.findall(module))
        if steps not in self._written:
            self._written[steps] = {
                str(each.get("address")): each.get("expressions") or {}
                for each in self._module(module).get("resources") or ()
            }
        return self._written[steps].get(re.sub(r"\[.*\]$", "", local))

    def sources(self, address: str, references: Iterable[str]) -> tuple[str, ...]:
        """Return the addresses of which one gives the value; empty where that cannot be told."""
        module, local = _split(address)
        written = tuple(references)
        key = local[len(_RESOURCE.match(local)[1]) :] if _RESOURCE.match(local) else ""  # type: ignore[index]
        asked = (module, written, key if _PER_INSTANCE & set(written) else "")
        if asked not in self._known:
            try:
                self._known[asked] = tuple(dict.fromkeys(self._followed(*asked, 0)))
            except Opaque:
                self._known[asked] = ()
        return self._known[asked]

    def _followed(self, module: str, references: tuple[str, ...], key: str, depth: int) -> list[str]:
        if depth > _DEEPEST:
            raise Opaque
        same = key if _PER_INSTANCE & set(references) else ""
        found: list[str] = []
        for reference in _longest(references):
            if reference.startswith(_KNOWN) or reference in ("each", "count", "path", "terraform", "self"):
                continue
            if reference.startswith("var."):
                found += self._variable(module, reference.split(".")[1], depth)
            elif reference.startswith("module."):
                found += self._output(module, reference, depth)
            elif reference.startswith("local."):
                raise Opaque
            else:
                found += self._resource(module, reference, same)
        return found

    def _variable(self, module: str, name: str, depth: int) -> list[str]:
        """Follow an input to what the caller wrote; of the root it is known."""
        name = re.sub(r"\[.*$", "", name)
        if not module:
            return []
        parent, call = _parent(module)
        arguments = (self._module(parent).get("module_calls") or {}).get(call, {}).get("expressions") or {}
        written = arguments.get(name)
        if written is None or "constant_value" in written:
            return []
        if not isinstance(written, dict) or "references" not in written:
            raise Opaque
        return self._followed(parent, tuple(written["references"]), "", depth + 1)

    def _output(self, module: str, reference: str, depth: int) -> list[str]:
        step = _STEP.match(reference)
        name = re.split(r"[.\[]", reference[step.end() :])[0] if step else ""
        if step is None or not name or "[" in step[0]:
            raise Opaque
        child = f"{module}.module.{step[1]}" if module else f"module.{step[1]}"
        outputs = self._module(child).get("outputs") or {}
        expression = outputs.get(name, {}).get("expression") or {}
        if "references" not in expression:
            raise Opaque
        return self._followed(child, tuple(expression["references"]), "", depth + 1)

    def _resource(self, module: str, reference: str, key: str) -> list[str]:
        match = _RESOURCE.match(reference)
        if match is None:
            raise Opaque
        base = f"{module}.{match[1]}" if module else match[1]
        there = self._instances.get((module, match[1]), {})
        if not there and match[1].startswith("data."):
            return []  # it was read before the plan, so it is no source of what is unknown
        if not there:
            raise Opaque
        wanted = base + (match[2] or key)
        return [wanted] if wanted in there else list(there)

    def _module(self, address: str) -> Mapping[str, Any]:
        steps = tuple(_STEP.findall(address))
        if steps not in self._modules:
            found = self._root
            for name in steps:
                found = ((found.get("module_calls") or {}).get(name) or {}).get("module") or {}
            self._modules[steps] = found
        return self._modules[steps]


def _split(address: str) -> tuple[str, str]:
    """Return the module's address and the rest, `("", address)` at the root."""
    end = 0
    for step in _STEP.finditer(address):
        if step.start() != end:
            break
        end = step.end()
    return address[:end].rstrip("."), address[end:]


def _parent(module: str) -> tuple[str, str]:
    steps = [step[0].rstrip(".") for step in _STEP.finditer(module)]
    return ".".join(steps[:-1]), _STEP.match(steps[-1])[1]  # type: ignore[index]


def _base(address: str) -> str:
    """Return an address without the keys of instances."""
    return re.sub(r"\[(?:\"[^\"]*\"|\d+)\]", "", address)


def _longest(references: tuple[str, ...]) -> list[str]:
    """Return references without those that a longer one begins with: a plan lists both."""
    return [
        each
        for each in dict.fromkeys(references)
        if not any(other != each and other.startswith((f"{each}.", f"{each}[")) for other in references)
    ]
