"""What every client is generated from: the requests and objects of `authnzerver schema`, with one set of types.

A language's generator gets this model and says how it spells it. It must know nothing of any language.
"""

import dataclasses
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The addresses of the end user that a client fills in by itself.
ABOUT_THE_CALLER = ("ip_address", "user_agent")


@dataclasses.dataclass(frozen=True)
class Type:
    """A type of a value. `kinds` are among int, float, str, bool, datetime, dict, list, any and object."""

    kinds: tuple
    nullable: bool = False
    # What a list is made of, where that is known.
    items: "Type | None" = None
    # The name of an object, or of the members of a parameter.
    object: str = ""


@dataclasses.dataclass(frozen=True)
class Field:
    name: str
    type: Type
    doc: str
    required: bool = True
    # Whether a client fills it in from what it knows about the end user.
    about_the_caller: bool = False


@dataclasses.dataclass(frozen=True)
class Record:
    """Fields with a name: an object of answers, the answer to a request, or the members of a parameter."""

    name: str
    doc: str
    fields: tuple


@dataclasses.dataclass(frozen=True)
class Request:
    name: str
    doc: str
    params: tuple
    answer: Record
    reasons: tuple
    per_minute: "int | None"
    only_reads: bool

    @property
    def words(self):
        """The name in lower-case words."""
        return self.name.split("-")


@dataclasses.dataclass(frozen=True)
class Model:
    version: str
    requests: tuple
    objects: tuple
    # The members of parameters.
    members: tuple


def camel(words):
    """The words as one, each with a capital."""
    return "".join(word[:1].upper() + word[1:] for word in words)


def read(program):
    """The model of the API that a program serves."""
    text = subprocess.run([program, "schema"], check=True, capture_output=True, text=True).stdout
    return of_schema(json.loads(text))


def of_schema(schema):
    members, requests = {}, []
    for request in schema["requests"]:
        words = request["name"].split("-")
        params = [param_of(words, param, members) for param in request["parameters"]]
        reasons = {(refusal["failure_reason"], refusal["message"]): None for refusal in request["refusals"]}
        requests.append(
            Request(
                name=request["name"],
                doc=request["doc"],
                # What is required comes first; the order is otherwise the schema's.
                params=tuple(sorted(params, key=lambda param: not param.required)),
                answer=Record(
                    camel(words) + "Answer", f"The answer to {request['name']}.", fields_of(request["answers"])
                ),
                reasons=tuple(reasons),
                per_minute=request["per_minute"],
                # Such a request may be asked twice.
                only_reads=request["repeat"] == "reads",
            )
        )
    objects = [
        Record(name, f"{spaced(name)}, as it stands in answers.", fields_of(fields))
        for name, fields in schema["objects"].items()
    ]
    return Model(schema["version"], tuple(requests), tuple(objects), tuple(members.values()))


def spaced(name):
    """`OwnSession` as `Own session`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: " " + found[1].lower(), name)


def fields_of(fields):
    return tuple(Field(field["name"], type_of(field), field["doc"]) for field in fields)


def type_of(value):
    """A type of an answer: one word, `… or null`, with its items or the name of its object beside it."""
    word, _, null = value["type"].partition(" or ")
    items = type_of(value["items"]) if "items" in value else None
    return Type((word,), nullable=bool(null), items=items, object=value.get("object", ""))


def param_of(words, param, members):
    named = param["type"] if isinstance(param["type"], list) else [param["type"]]
    kinds = tuple(kind.lower() for kind in named if kind != "None")
    # Every float may be a whole number.
    kinds = tuple(kind for kind in kinds if kind != "int" or "float" not in kinds)
    kind = Type(kinds, nullable="None" in named)
    if "members" in param:
        # Requests about the same kind of thing have the same members; the first gives them their name.
        fields = tuple(param_of(words, member, {}) for member in param["members"])
        about = camel(words) + camel(param["name"].split("_"))
        record = Record(about, param["doc"], fields)
        same = [one for one in members.values() if one.fields == record.fields]
        record = same[0] if same else members.setdefault(about, record)
        is_list = kinds == ("list",)
        inner = Type(("object",), object=record.name)
        kind = Type(("list",), items=inner) if is_list else inner
    return Field(
        param["name"],
        kind,
        param["doc"],
        required=param["required"],
        about_the_caller=param["required"] and param["name"] in ABOUT_THE_CALLER,
    )
