"""What the generated parts rest on: records that read themselves from JSON, and calls."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

Self = TypeVar("Self", bound="Record")
Reader = Callable[[Any], Any]


class Unfit(ValueError):
    """A value is not what the API says it is."""


class Record:
    """Has the fields that its class declares, each of the type that stands there. Other keys are left aside, so that a
    newer server may add some."""



    @classmethod
    def read(cls: type[Self], value: Any, **others: Any) -> Self:
        """Reads one from JSON, or raises Unfit."""
        if not isinstance(value, Mapping):
            raise Unfit(f"{cls.__name__} is no object")
        fields = {}
        for name, reader in _readers(cls).items():  # type: ignore[arg-type]
            if name in others:
                continue
            try:
                fields[name] = reader(value[name])
            except KeyError:
                raise Unfit(f"{cls.__name__} lacks {name}") from None
            except Unfit as unfit:
                raise Unfit(f"{name} of {cls.__name__}: {unfit}") from None
        return cls(**fields, **others)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer(Record):
    """What a request that was carried out came to."""

    messages: list[str]
    """What may be shown to the end user."""


T = TypeVar("T", bound=Answer)


@dataclasses.dataclass(frozen=True, eq=False)
class Call(Generic[T]):
    """A request with its parameters. Its text never shows them: they may be passwords."""

    request: str
    params: dict[str, Any] = dataclasses.field(repr=False)
    answer: type[T] = dataclasses.field(repr=False)
    # Parameters that whoever asks fills in, and those that are null rather than left out.
    caller: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    nulls: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    only_reads: bool = dataclasses.field(default=False, repr=False)

    def body(self, caller: Mapping[str, str]) -> dict[str, Any]:
        """The parameters as they are sent."""
        filled = {**self.params, **{name: caller[name] for name in self.caller if self.params[name] is None}}
        return {name: value for name, value in filled.items() if value is not None or name in self.nulls}


@functools.lru_cache(maxsize=None)
def _readers(record: type[Record]) -> dict[str, Reader]:
    hints = typing.get_type_hints(record)
    return {field.name: _reader(hints[field.name]) for field in dataclasses.fields(record)}  # type: ignore[arg-type]


def _reader(hint: Any) -> Reader:
    if hint is Any:
        return lambda value: value
    if hint is datetime:
        return _read_time
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (_reader(part) for part in parts if part is not type(None))
        return lambda value: None if value is None else inner(value)
    if origin is list:
        each = _reader(parts[0])
        return lambda value: [each(part) for part in _checked(value, list)]
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.read
    return lambda value: _checked(value, hint)


def _checked(value: Any, kind: type) -> Any:
    # True is an int to Python alone.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Unfit(f"no {kind.__name__}")
    return value


def _read_time(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(_checked(value, str)).replace(tzinfo=timezone.utc)
    except ValueError:
        raise Unfit("no time") from None
