"""Where the environment is built: an account's region, its network, the module's variables."""

from typing import Annotated, Any

from msgspec import Meta, field

from keepstone.policy.schema.words import Closed


class S3State(Closed, frozen=True, kw_only=True, tag_field="kind", tag="s3"):
    """Terraform's state in a bucket, with a lock file beside it."""

    bucket: Annotated[
        str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="it must exist and be versioned")
    ]
    key: Annotated[str, Meta(min_length=1, max_length=500, description="the state's object")] = (
        "keepstone/terraform.tfstate"
    )
    region: Annotated[str, Meta(description="the bucket's region; empty: the deployment's")] = ""
    kms_key_id: Annotated[str, Meta(description="encrypts the state; empty: the bucket's own default")] = ""


class LocalState(Closed, frozen=True, kw_only=True, tag_field="kind", tag="local"):
    """Terraform's state in the deployment's folder: for one person and for trials."""


State = S3State | LocalState


class Deployment(Closed, frozen=True, kw_only=True):
    """What `keepstone deploy` builds, beside what the rest of the document says already."""

    environment: Annotated[
        str,
        Meta(pattern=r"^[a-z][a-z0-9-]{0,19}$", description="begins the name of every resource"),
    ]
    region: Annotated[str, Meta(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]$", description="where it is built")]
    account: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{12}$")] | None,
        Meta(
            description="the AWS account that it is built in, 12 digits in quotes: credentials of another "
            "one are refused; absent: whatever account the credentials are of"
        ),
    ] = None
    vpc_id: Annotated[str, Meta(min_length=1, max_length=64, description="the VPC, `vpc-…`")]
    subnet_ids: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
        Meta(min_length=1, max_length=16, description="one subnet for each Availability Zone, `subnet-…`"),
    ]
    state: Annotated[State, Meta(description="where Terraform keeps its state")] = LocalState()
    variables: Annotated[
        dict[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")], Any],
        Meta(
            description="the module's other variables by name (`keepstone deploy variables`); they go before "
            "what is read out of the rest of the document"
        ),
    ] = field(default_factory=dict)
