"""What the Terraform module takes and gives, by name; generated from its files (`python -m tools.module`)."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Variable(Struct, frozen=True):
    """One variable; `type` and `default` are as HCL has them, no default means that it must be given."""

    description: str
    file: str
    type: str
    default: str | None = None


class Output(Struct, frozen=True):
    """One output."""

    description: str
    file: str


class TerraformModule(Struct, frozen=True):
    """The module's face."""

    variables: Mapping[str, Variable]
    outputs: Mapping[str, Output]


@cache
def terraform_module() -> TerraformModule:
    """Return the variables and outputs."""
    data = files("keepstone.catalog").joinpath("data/terraform_module.json").read_bytes()
    return msgspec.json.decode(data, type=TerraformModule)
