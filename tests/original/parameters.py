"""Exchanges made from the list of requests: each parameter left out and mistyped, and those of no parameters at all."""

from script import NOBODY, NOBODYS_TOKEN, PASSWORD, Step, after

# Of the right type each, and of nobody.
GOOD_BY_TYPE = {"str": "text", "int": NOBODY, "float": 0.5, "bool": True, "dict": {}, "Any": "text"}
GOOD_BY_NAME = {"session_token": NOBODYS_TOKEN, "password": PASSWORD, "expires": after(days=1), "ip_address": "192.0.2.9"}
MISTYPED = {"null": None, "true": True, "a number": 7, "a number with a fraction": 7.5, "a whole float": 7.0,
            "text": "text", "a list": [], "an object": {}}
# What the type may be: these are no mistakes, and the conversations send them.
FITTING = {
    "str": {"text"}, "int": {"a number"}, "bool": {"true"}, "dict": {"an object"}, "None": {"null"}, "list": {"a list"},
    "float": {"a number with a fraction", "a whole float"}, "Any": set(MISTYPED),
}
# Parameters that came after the original: it takes anything for them, and answers as without them.
ONLY_HERE = {("user-list", "limit"), ("user-list", "after"), ("user-lookup-match", "limit"), ("user-lookup-match", "after")}


def types_of(parameter):
    declared = parameter["type"]
    return [declared] if isinstance(declared, str) else declared


def good_body(request, number):
    """A body with all that is required. The address is another each time, since failures of one are answered ever later."""
    body = {}
    for parameter in request["parameters"]:
        name = parameter["name"]
        if "email" in name and "type" not in name:
            good = f"unknown{number}@example.org"
        else:
            good = GOOD_BY_NAME.get(name, GOOD_BY_TYPE.get(types_of(parameter)[0]))
        if parameter["required"]:
            body[name] = good
    if request["name"] == "user-new":
        # Nobody is to be signed up by these, or the numbers of those who come after would differ.
        body["password"] = "short"
    return body


def steps_of(request):
    """The exchanges about the parameters of one request."""
    steps = []

    def ask(name, change):
        body = good_body(request, f"{request['name']}{len(steps)}")
        change(body)
        steps.append(Step(f"{request['name']}: {name}", request["name"], body, {}))

    ask("nothing", dict.clear)
    ask("one parameter too many", lambda body: body.update(one_more=1))
    for parameter in request["parameters"]:
        name = parameter["name"]
        if (request["name"], name) in ONLY_HERE:
            continue
        if parameter["required"]:
            ask(f"without {name}", lambda body: body.pop(name))
        fitting = set().union(*(FITTING[type_] for type_ in types_of(parameter)))
        for kind, value in MISTYPED.items():
            if kind not in fitting:
                ask(f"{name} is {kind}", lambda body: body.update({name: value}))
    return steps


def parameter_conversations(requests):
    """One conversation for each request, so that they can go on at the same time."""
    return {f"parameters of {request['name']}": steps_of(request) for request in requests}
