"""What tflint's Terraform ruleset asks of a module, rule by rule: each returns what breaks it.

tflint itself comes by no package registry that these tests use. The names of its rules are kept.
"""

import re
from collections.abc import Callable, Iterator

from tests.deploy.hcl import Block, Module, read

Rule = Callable[[Module], Iterator[str]]

_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_BUILT_IN = "terraform"
_LINES = re.MULTILINE


def _named(block: Block) -> str:
    return f"{block.file}: {block.kind} {'.'.join(block.labels)}"


def unused_declarations(module: Module) -> Iterator[str]:
    """Every variable, local and data source is used; a variable's own validation is no use."""
    code = module.code()
    for block in module.all("variable"):
        own = len(re.findall(rf"\bvar\.{block.labels[0]}\b", read(block.body).code))
        if len(re.findall(rf"\bvar\.{block.labels[0]}\b", code)) == own:
            yield _named(block)
    for name in module.locals():
        if re.search(rf"\blocal\.{name}\b", code) is None:
            yield f"local {name}"
    for block in module.all("data"):
        if re.search(rf"\bdata\.{block.labels[0]}\.{block.labels[1]}\b", code) is None:
            yield _named(block)


def typed_variables(module: Module) -> Iterator[str]:
    """Every variable has a type."""
    return (
        _named(each) for each in module.all("variable") if not re.search(r"^  type +?=", each.body, _LINES)
    )


def documented_variables(module: Module) -> Iterator[str]:
    """Every variable has a description."""
    return (_named(each) for each in module.all("variable") if not _described(each))


def documented_outputs(module: Module) -> Iterator[str]:
    """Every output has a description."""
    return (_named(each) for each in module.all("output") if not _described(each))


def _described(block: Block) -> bool:
    return re.search(r'^  description +?= "[^"]', block.body, _LINES) is not None


def required_version(module: Module) -> Iterator[str]:
    """The module says which Terraform it needs."""
    if not any(re.search(r"^  required_version +?=", each.body, _LINES) for each in module.all("terraform")):
        yield "no required_version"


def required_providers(module: Module) -> Iterator[str]:
    """Every provider that is used is declared with source and version."""
    declared = _declared(module)
    for provider in sorted(_used(module)):
        body = declared.get(provider, "")
        if "source" not in body or "version" not in body:
            yield f"provider {provider}"


def unused_required_providers(module: Module) -> Iterator[str]:
    """Every provider that is declared is used."""
    return (f"provider {each}" for each in sorted(_declared(module).keys() - _used(module)))


def _used(module: Module) -> set[str]:
    return {each.labels[0].split("_")[0] for each in module.all("resource", "data")} - {_BUILT_IN}


def _declared(module: Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for block in module.all("terraform"):
        for inner in re.findall(r"required_providers \{\n(.*?)^  \}", block.body, _LINES | re.DOTALL):
            found |= dict(re.findall(r"^    (\w+) = \{\n(.*?)^    \}", inner, _LINES | re.DOTALL))
    return found


def naming_convention(module: Module) -> Iterator[str]:
    """Every name is in snake case."""
    for block in module.all("variable", "output", "resource", "data", "module", "check"):
        if not _SNAKE.fullmatch(block.labels[-1]):
            yield _named(block)
    yield from (f"local {name}" for name in module.locals() if not _SNAKE.fullmatch(name))


def deprecated_interpolation(module: Module) -> Iterator[str]:
    """No string is a template and nothing else."""
    return (f"{name}: {each}" for name, file in module.files.items() for each in file.wrapped)


def deprecated_index(module: Module) -> Iterator[str]:
    """Parts of lists are named by brackets: `a[0]` and `a[*]`, not `a.0` and `a.*`."""
    return iter(re.findall(r"[A-Za-z_]\w*\.(?:\d+\b|\*)", module.code()))


def deprecated_lookup(module: Module) -> Iterator[str]:
    """`lookup` has a default; without one it is an index."""
    return iter(re.findall(r"\blookup\([^,()]*,[^,()]*\)", module.code()))


def empty_list_equality(module: Module) -> Iterator[str]:
    """Whether a list is empty is asked by its length."""
    return iter(re.findall(r"[=!]= \[\]|\[\] [=!]=", module.code()))


def comment_syntax(module: Module) -> Iterator[str]:
    """Comments begin with `#`."""
    return (
        f"{name}: {each}" for name, file in module.files.items() for each in file.comments if each[0] != "#"
    )


def module_pinned_source(module: Module) -> Iterator[str]:
    """Modules that are called stand in this repository, so that their version is the caller's."""
    return (
        _named(each)
        for each in module.all("module")
        if not re.search(r'^  source +?= "\./', each.body, _LINES)
    )


def workspace_remote(module: Module) -> Iterator[str]:
    """Nothing depends on the name of a workspace."""
    return iter(re.findall(r"\bterraform\.workspace\b", module.code()))


def standard_module_structure(module: Module) -> Iterator[str]:
    """There is a `main.tf`; variables stand in `variables*.tf`, outputs in `outputs.tf`."""
    if "main.tf" not in module.files:
        yield "no main.tf"
    for block in module.all("variable"):
        if re.fullmatch(r"variables(_\w+)?\.tf", block.file) is None:
            yield _named(block)
    yield from (_named(each) for each in module.all("output") if each.file != "outputs.tf")


RULES: tuple[Rule, ...] = (
    comment_syntax,
    deprecated_index,
    deprecated_interpolation,
    deprecated_lookup,
    documented_outputs,
    documented_variables,
    empty_list_equality,
    module_pinned_source,
    naming_convention,
    required_providers,
    required_version,
    standard_module_structure,
    typed_variables,
    unused_declarations,
    unused_required_providers,
    workspace_remote,
)
