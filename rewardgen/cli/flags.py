"""Flags: tyro takes the command line apart, the configuration judges the values.

So a bad value gets the same words whether it stands in a file or behind a flag.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import NoneType
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

import tyro
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from rewardgen.config import ConfigError, explain, literal_choices, unknown_choice

_Command = TypeVar("_Command")
_OBJECT = "{None}|NAME|{name: NAME, ...}"
_METAVARS = {int: "INT", float: "FLOAT"}


class _Refused(Exception):
    """Carries a message through tyro, which frames any ValueError in a text of its own."""


def parse_flags(
    command: type[_Command],
    arguments: Sequence[str],
    *,
    prog: str,
    markers: Sequence[Any] = (),
    preset: BaseModel | None = None,
) -> _Command:
    """Parse the arguments of a command.

    Args:
        command: a dataclass of options; a field of it may be a configuration.
        arguments: what follows the verb.
        prog: the command, as it is called.
        markers: tyro's switches.
        preset: defaults of the configuration.

    Raises:
        ConfigError: a value is not valid.
        SystemExit: an unknown flag or a missing argument, status 2; or help was asked for.
    """
    registry = ConstructorRegistry()
    registry.struct_rule(lambda info: _configuration(info, preset))
    try:
        return tyro.cli(command, args=arguments, prog=prog, config=markers, registry=registry)
    except _Refused as refused:
        raise ConfigError(str(refused)) from refused


def one_of(flag: str, annotation: object) -> PrimitiveConstructorSpec[Any]:
    """Return how a flag of literals is read; put it into the ``Annotated`` of the field."""
    choices = literal_choices(annotation)

    def chosen(given: list[str]) -> str:
        if given[0] not in choices:
            raise _Refused(f"{flag}: {unknown_choice(given[0], choices)}")
        return given[0]

    return PrimitiveConstructorSpec(1, _braced(choices), chosen, lambda _: True, _shown)


def _configuration(info: StructTypeInfo, preset: BaseModel | None) -> StructConstructorSpec | None:
    """Return the flags of a configuration, None for any other type."""
    kind = cast(object, vars(info)["type"])  # as an attribute it has no known type
    if not (inspect.isclass(kind) and issubclass(kind, BaseModel)):
        return None

    def judged(**values: object) -> BaseModel:
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise _Refused(explain(error, kind, _flag)) from error

    judged.__doc__ = kind.__doc__  # shown by --help
    fields = tuple(
        StructFieldSpec(
            field.alias or name,
            cast(Any, _type(field)),
            _default(name, field, preset),
            field.description,
        )
        for name, field in kind.model_fields.items()
    )
    return StructConstructorSpec(judged, fields)


def _default(name: str, field: FieldInfo, preset: BaseModel | None) -> object:
    if preset is not None:
        return getattr(preset, name)
    return tyro.MISSING if field.is_required() else field.get_default(call_default_factory=True)


def _type(field: FieldInfo) -> object:
    """Return a field's type; of numbers and choices, what cannot be read is passed on as text.

    Several choices follow one flag; several texts have a flag each.
    """
    parts: tuple[Any, ...] = get_args(field.annotation) or (field.annotation,)
    optional = NoneType in parts
    choices = literal_choices(field.annotation)
    if get_origin(field.annotation) is tuple:
        if not choices:
            # where they stand by themselves, the configuration says so
            markers = field.metadata or [tyro.conf.UseAppendAction]
            return Annotated[(cast(Any, field.annotation), *markers)]
        one = PrimitiveConstructorSpec(1, _braced(choices), _only, lambda _: True, _shown)
        return tuple[Annotated[str, one], ...]
    if any(inspect.isclass(part) and issubclass(part, BaseModel) for part in parts):
        spec = PrimitiveConstructorSpec(1, _OBJECT, _text, lambda _: True, _shown)
        return Annotated[Any, spec]
    metavar = _braced(choices) if choices else _METAVARS.get(parts[0])
    if metavar is None:
        return field.annotation

    def read(given: list[str]) -> object:
        if optional and given[0] == "None":
            return None
        try:
            return given[0] if choices else parts[0](given[0])
        except ValueError:
            return given[0]

    metavar = f"{{None}}|{metavar}" if optional else metavar
    spec = PrimitiveConstructorSpec(1, metavar, read, lambda _: True, _shown)
    return Annotated[cast(Any, field.annotation), spec]


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _braced(choices: tuple[str, ...]) -> str:
    return f"{{{','.join(choices)}}}"


def _only(given: list[str]) -> str:
    return given[0]


def _text(given: list[str]) -> str | None:
    return None if given[0] == "None" else given[0]


def _shown(value: object) -> list[str]:
    return [value.model_dump_json() if isinstance(value, BaseModel) else str(value)]
