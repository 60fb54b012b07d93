"""Presets with other values in some of their fields, by name: what `--set FIELD=VALUE` says."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from mini_ddpm import data
from mini_ddpm.runs.presets import RunConfig, check_guidance, preset


def fields_of(config: RunConfig) -> dict[str, Any]:
    """The fields of a configuration and of the ones inside it, by their names with dots: `unet.blocks`, `T`."""
    found: dict[str, Any] = {}
    for name, value in config.to_json().items():
        found |= {f"{name}.{inner}": v for inner, v in value.items()} if isinstance(value, dict) else {name: value}
    return found


def changed(config: RunConfig, settings: Sequence[str]) -> RunConfig:
    """A configuration with other values in some fields, each given as FIELD=VALUE: `T=500`, `unet.channel_mults=1,2`.

    Raises:
        ValueError: no such field, one that is given twice, a wrong type, or a value that doesn't fit another.
    """
    content, known, given = config.to_json(), fields_of(config), dict[str, str]()
    del known["names"]  # they are the data's
    for setting in settings:
        name, _, text = setting.partition("=")
        if not name.strip() or not text.strip():
            raise ValueError(f"{setting!r} sets nothing: it must be FIELD=VALUE, such as training.batch_size=64")
        if setting.encode(errors="replace").decode() != setting:
            raise ValueError(f"{setting!r} is not UTF-8: take another name")
        if name not in known:
            near = [each for each in known if each.endswith(f".{name}")] + get_close_matches(name, known, 3, 0.5)
            nearest = f"did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
            raise ValueError(f"unknown field {name!r}: {nearest}There are {', '.join(known)}")
        if name in given:
            raise ValueError(f"{name} is given twice, as {given[name]} and as {text}: leave one of them out")
        given[name] = text
        *outer, last = name.split(".")
        (content[outer[0]] if outer else content)[last] = _value(text, known[name])
    found = RunConfig.from_json(content)
    check_guidance(found)
    return found


def _value(text: str, before: Any) -> Any:
    """What a text says in the place of a value, as JSON has it; lists need no brackets."""
    if isinstance(before, str):
        return text
    for json_text in (text.lower() if isinstance(before, bool) else text, f"[{text}]"):
        with suppress(ValueError, RecursionError):
            value = json.loads(json_text)
            return [value] if isinstance(before, tuple) and not isinstance(value, list) else value
    return text


def chosen(
    name: str | None, default: str, data_name: str | None, skip_broken: bool, settings: Sequence[str]
) -> tuple[str, RunConfig]:
    """The preset of that name with its data and other fields set, and the name: `pictures` by default for a folder."""
    options = [f"data={data_name}"] * (data_name is not None) + ["skip_broken=true"] * skip_broken
    settings = [*options, *settings]
    own = any(data.is_folder(each.removeprefix("data=")) for each in settings if each.startswith("data="))
    name = name or ("pictures" if own else default)
    config = changed(preset(name), settings)
    return name, replace(config, data=os.path.abspath(config.data)) if data.is_folder(config.data) else config
