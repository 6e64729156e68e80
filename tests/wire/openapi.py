"""Reads an OpenAPI document from the first line, and from each other line one exchange; fails where one is not so."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate


def faults(schema, value):
    # References in it are to the document's components.
    whole = {"$ref": "#/it", "it": schema, "components": document["components"]}
    return [fault.message for fault in Draft202012Validator(whole).iter_errors(value)]


document = json.loads(sys.stdin.readline())
validate(document)

for line in sys.stdin:
    exchange = json.loads(line)
    asked, answer = exchange["asked"], exchange["answer"]
    operation = document["paths"]["/#" + asked["request"]]["post"]
    question = operation["requestBody"]["content"]["application/json"]["schema"]
    reply = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert not faults(reply, answer), (asked["request"], faults(reply, answer))
    assert bool(faults(question, asked)) != exchange["fits"], (asked["request"], faults(question, asked))
    # The schema says something: what nobody answers does not fit.
    assert faults(reply, dict(answer, success="yes")), asked["request"]
    assert faults(reply, dict(answer, response={})), asked["request"]
