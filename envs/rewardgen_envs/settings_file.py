"""Settings from YAML files, with strict keys: presets and recipes. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from rewardgen_envs.errors import UsageError


class SettingsFileError(UsageError):
    """A file of settings cannot be read; names the file and, where there is one, the line."""


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, but a key that is given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise SettingsFileError(
                        f"line {line}: key '{key.value}' is given twice, first on line "
                        f"{lines[key.value]}; keep one of them"
                    )
                lines[key.value] = line
        return super().construct_mapping(node, deep)


def read_value(text: str) -> object:
    """Return what a text of YAML stands for, as it is given behind a flag.

    Raises:
        SettingsFileError: it is no YAML, or a key is given twice.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except SettingsFileError:
        raise
    except yaml.YAMLError as error:
        says = " ".join(str(error).split())
        raise SettingsFileError(f"cannot read {text!r}: {says}") from error


def read_settings(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an empty file gives an empty one.

    Raises:
        SettingsFileError: missing, unreadable, not a mapping, or a key is given twice.
    """
    try:
        # a subclass of the safe loader: it makes plain values only
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except SettingsFileError as error:
        raise SettingsFileError(f"{path}: {error}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsFileError(f"cannot read {path}: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsFileError(f"{path} must hold 'key: value' lines, got {type(values).__name__}")
    return {str(key): value for key, value in cast(dict[Any, Any], values).items()}
