"""Writes the catalogue's list of the module's variables and outputs: `python -m tools.module [--check]`.

The module is the source. Its files are formatted by `terraform fmt`, so that a few lines read them.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1] / "src" / "keepstone"
MODULE = ROOT / "deploy" / "module"
FILE = ROOT / "catalog" / "data" / "terraform_module.json"

_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (description|type|default) += (.*(?:\n(?:    .*|  [}\])].*))*)", re.MULTILINE)


def described() -> dict[str, dict[str, dict[str, str]]]:
    """Return the variables and outputs by name, each with its description, type and default as written."""
    found: dict[str, dict[str, dict[str, str]]] = {"variables": {}, "outputs": {}}
    for path in sorted(MODULE.glob("*.tf")):
        for kind, name, body in _BLOCK.findall(path.read_text()):
            fields: dict[str, Any] = dict(_FIELD.findall(body))
            row = {"description": json.loads(fields["description"]), "file": path.name}
            if kind == "variable":
                row["type"] = " ".join(fields["type"].split())
                if "default" in fields:
                    row["default"] = " ".join(fields["default"].split())
            found[f"{kind}s"][name] = row
    return {kind: dict(sorted(rows.items())) for kind, rows in found.items()}


def main(arguments: list[str]) -> int:
    """Write the file, or say whether it is as the module says."""
    text = json.dumps(described(), indent=1, ensure_ascii=False) + "\n"
    if "--check" not in arguments:
        FILE.write_text(text)
        return 0
    if FILE.exists() and FILE.read_text() == text:
        return 0
    sys.stderr.write(f"{FILE} is not what the module says: run `python -m tools.module`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
