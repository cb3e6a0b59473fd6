"""Random documents of the shapes of botocore's service model, for laws about what is inspected."""

import json
from base64 import b64encode
from functools import cache

import botocore.session
from hypothesis import strategies as st

# No identifier: it must be reached by a slot wherever it stands.
markers = st.integers(0, 10**6).map(lambda n: f"marker {n} @")
keys = st.one_of(markers, st.sampled_from(["text", "type", "name", "input", "unheard"]))
json_values = st.recursive(
    st.one_of(
        markers, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
blobs = st.one_of(markers, markers.map(lambda text: b64encode(text.encode()).decode()), st.just("AAEC/w=="))


schemas = st.dictionaries(keys, json_values, max_size=3).map(json.dumps)


@cache
def service_model():
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def shape_of(operation: str, direction: str = "input"):
    return getattr(service_model().operation_model(operation), f"{direction}_shape")


@st.composite
def shaped(draw, shape, depth: int = 0):
    """Draw a value of a shape; now and then a member nobody knows, or a value of another type."""
    if draw(st.integers(0, 30)) == 0 and depth > 3:
        return draw(json_values)
    if shape.type_name == "structure":
        return draw(structures(shape, depth))
    if shape.type_name in ("list", "map"):
        return draw(collections(shape, depth))
    return draw(scalars(shape))


@st.composite
def structures(draw, shape, depth: int):
    """Draw an object of a shape, or free JSON where the model has a document."""
    if shape.is_document_type or not shape.members:
        return draw(json_values)
    names = draw(st.lists(st.sampled_from(sorted(shape.members)), unique=True, max_size=3))
    names += [name for name in shape.required_members if name not in names]
    value = {name: draw(shaped(shape.members[name], depth + 1)) for name in names}
    if shape.name == "JsonSchemaDefinition":
        value["schema"] = draw(schemas)  # anything else is refused: test_a_schema_that_cannot_be_looked_into
    if draw(st.integers(0, 8)) == 0:
        value[draw(keys)] = draw(json_values)
    return value


@st.composite
def collections(draw, shape, depth: int):
    """Draw a list or a map of up to two members."""
    length = draw(st.integers(0, 2))
    if shape.type_name == "map":
        return {draw(keys): draw(shaped(shape.value, depth + 1)) for _ in range(length)}
    return [draw(shaped(shape.member, depth + 1)) for _ in range(length)]


def scalars(shape):
    """Return a strategy of a scalar shape; enumerations are sometimes not kept to."""
    match shape.type_name:
        case "string" if shape.enum:
            return st.one_of(markers, st.sampled_from(shape.enum))
        case "string":
            return markers
        case "blob":
            return blobs
        case "boolean":
            return st.booleans()
        case _:
            return st.integers(-10, 10**12)


@st.composite
def converse_requests(draw):
    document = draw(shaped(shape_of("Converse")))
    document.pop("modelId", None)
    messages = document.get("messages")
    if messages is not None:
        roles = st.sampled_from(["user", "assistant", "system", "odd role"])
        block = shape_of("Converse").members["messages"].member.members["content"]
        document["messages"] = [
            {"role": draw(roles), "content": draw(shaped(block)), **({"extra": draw(markers)} if n else {})}
            for n in range(draw(st.integers(0, 3)))
        ]
        for message in document["messages"]:
            if not isinstance(message["content"], list):
                message["content"] = [message["content"]]
    return document
