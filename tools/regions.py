"""Writes the catalogue's regions from botocore's partitions: `python -m tools.regions [--check]`.

botocore knows the regions and not their countries; those stand here, by hand. A region without a row fails
the check, so that a new one is looked at by a person before anything may be sent there.
"""

import json
import sys
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

FILE = Path(__file__).parents[1] / "src" / "keepstone" / "catalog" / "data" / "regions.json"
LOOKED_AT = "2026-11-21"
SOURCE = "partitions of botocore; countries from AWS, Regions and Availability Zones, by hand"

# The prefix of a name is no proof: eu-central-2 is Zurich and eu-west-2 is London, neither in the EEA.
COUNTRIES = {
    "af-south-1": "ZA",
    "ap-east-1": "HK",
    "ap-east-2": "TW",
    "ap-northeast-1": "JP",
    "ap-northeast-2": "KR",
    "ap-northeast-3": "JP",
    "ap-south-1": "IN",
    "ap-south-2": "IN",
    "ap-southeast-1": "SG",
    "ap-southeast-2": "AU",
    "ap-southeast-3": "ID",
    "ap-southeast-4": "AU",
    "ap-southeast-5": "MY",
    "ap-southeast-6": "NZ",
    "ap-southeast-7": "TH",
    "ca-central-1": "CA",
    "ca-west-1": "CA",
    "cn-north-1": "CN",
    "cn-northwest-1": "CN",
    "eu-central-1": "DE",
    "eu-central-2": "CH",
    "eu-isoe-west-1": "",  # not public; the name says Europe, the domain says `.uk`
    "eu-north-1": "SE",
    "eu-south-1": "IT",
    "eu-south-2": "ES",
    "eu-west-1": "IE",
    "eu-west-2": "GB",
    "eu-west-3": "FR",
    "eusc-de-east-1": "DE",
    "il-central-1": "IL",
    "me-central-1": "AE",
    "me-south-1": "BH",
    "me-west-1": "SA",
    "mx-central-1": "MX",
    "sa-east-1": "BR",
    "sa-west-1": "CL",
    "us-east-1": "US",
    "us-east-2": "US",
    "us-gov-east-1": "US",
    "us-gov-west-1": "US",
    "us-iso-east-1": "US",
    "us-iso-west-1": "US",
    "us-isob-east-1": "US",
    "us-isob-west-1": "US",
    "us-isof-east-1": "",  # not public
    "us-isof-south-1": "",  # not public
    "us-west-1": "US",
    "us-west-2": "US",
}


def rows() -> list[dict[str, str]]:
    """Return one row for each region that botocore knows; raise `KeyError` for one without a country."""
    found: list[dict[str, str]] = []
    partitions: list[Any] = Loader().load_data("partitions")["partitions"]
    for partition in partitions:
        for region, about in partition["regions"].items():
            if region.endswith("-global"):
                continue  # a name for services without a region
            found.append(
                {
                    "id": region,
                    "country": COUNTRIES[region],
                    "name": about["description"],
                    "partition": partition["id"],
                    "dns_suffix": partition["outputs"]["dnsSuffix"],
                }
            )
    return sorted(found, key=lambda row: row["id"])


def text() -> str:
    """Return the file's text, one region a line."""
    lines = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in rows())
    head = f'{{\n  "looked_at": {json.dumps(LOOKED_AT)},\n  "source": {json.dumps(SOURCE)},\n'
    return f'{head}  "regions": [\n{lines}\n  ]\n}}\n'


def main() -> int:
    """Write the file, or with `--check` say whether it is what botocore and the table give."""
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text(), "utf-8")
        return 0
    if FILE.exists() and FILE.read_text("utf-8") == text():
        return 0
    sys.stderr.write(f"{FILE.name} is not up to date: run `python -m tools.regions` and commit the result\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
