"""Where the settings come from: one TOML file, then the environment, which wins, then the command line.

    access = "apps"                          GENMB_VOICE_ACCESS=apps
    hosts = ["voice.example"]                GENMB_VOICE_HOSTS=voice.example
    [providers.azure]                        GENMB_VOICE_PROVIDERS=azure
    endpoint = "https://NAME.openai…"        GENMB_VOICE_AZURE_ENDPOINT=https://NAME.openai…

Everything that is wrong is told at once, each thing in a sentence that names the setting and the fix, and a
name that is not known is wrong. No sentence holds a value. It makes nothing of what it reads.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from genmb_voice_widget.address import is_loopback

from . import Settings, SettingsError
from . import values as read
from .provider_kinds import KINDS, Kind
from .values import Reader

PREFIX = "GENMB_VOICE_"
_OF_OTHERS = {
    f"{PREFIX}{name}"
    for name in ("ENDPOINT", "HEADLESS", "KEY", "OLD_KERNEL", "PEER_FAULT", "PEER_SECRET", "SCRIPT")
}
"""Variables of the widget and the local peer."""

READERS: Mapping[str, Reader] = {
    "host": read.host,
    "port": read.port,
    "hosts": read.words(read.host),
    "origins": read.words(read.origin),
    "access": read.access,
    "database": read.database,
    "redis": read.redis,
    "signing_key": read.signing_key,
    "site_hook": read.hook,
    "hand_out_secrets": read.flag,
    "metrics_key": read.key,
    "drain_seconds": read.drain_seconds,
}


def read_settings(
    config: Path | None,
    environ: Mapping[str, str],
    given: Mapping[str, Any] | None = None,
    kinds: Mapping[str, Kind] = KINDS,
) -> Settings:
    """Read and check the settings.

    Args:
        config: the TOML file, if there is one.
        environ: the environment.
        given: settings of the command line, already read; they win.
        kinds: the voice services that there are.

    Raises:
        SettingsError: with all that is wrong.
    """
    reading = _Reading(kinds)
    in_file = _load(config) if config else {}
    values = reading.file(in_file) | reading.environment(environ) | dict(given or {})
    values["providers"] = reading.providers(values.get("providers"), in_file, environ)
    if reading.wrong:
        raise SettingsError(*reading.wrong)
    settings = Settings(**values)
    if wrong := list(_together(settings, values)):
        raise SettingsError(*wrong)
    return settings


class _Reading:
    """One reading of all sources: collects what is wrong."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds
        self.wrong: list[str] = []

    def file(self, table: Mapping[str, Any]) -> dict[str, Any]:
        known = {name: value for name, value in table.items() if name in READERS}
        self._unknown("setting", table, [*READERS, "providers"])
        return dict(self._read(f"The setting {name}", name, READERS, value) for name, value in known.items())

    def environment(self, environ: Mapping[str, str]) -> dict[str, Any]:
        ours = {name for name in environ if name.startswith(PREFIX)} - _OF_OTHERS
        by_name = {variable_of(name): name for name in READERS}
        options = {variable_of(kind, name) for kind, of in self._kinds.items() for name in of.options}
        chosen = variable_of("providers")
        self._unknown("variable", ours, [*by_name, *options, chosen])
        values = dict(
            self._read(variable, name, READERS, environ[variable])
            for variable, name in by_name.items()
            if variable in ours
        )
        if chosen in ours:
            values["providers"] = [part.strip() for part in environ[chosen].split(",") if part.strip()]
        return values

    def providers(
        self, chosen: Iterable[str] | None, table: Mapping[str, Any], environ: Mapping[str, str]
    ) -> dict[str, dict[str, Any]]:
        """Read the options of the services that were chosen; by default those with a table in the file."""
        tables = table.get("providers", {})
        if not isinstance(tables, dict) or not all(isinstance(of, dict) for of in tables.values()):
            self.wrong.append(
                "The setting providers must have a table for each service, as [providers.local]."
            )
            tables = {}
        names = list(dict.fromkeys(chosen or tables or ["local"]))
        self._unknown("voice service", {*names, *tables}, self._kinds)
        for kind in sorted(set(self._kinds) - set(names)):
            for variable in sorted(
                {variable_of(kind, name) for name in self._kinds[kind].options} & set(environ)
            ):
                fix = f"name it in {variable_of('providers')}, or unset the variable"
                self.wrong.append(f"{variable} is set, but {kind} is not among the providers: {fix}.")
        return {
            name: self._options(name, tables.get(name, {}), environ) for name in names if name in self._kinds
        }

    def _options(self, kind: str, table: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
        readers = self._kinds[kind].options
        self._unknown(f"option of {kind}", table, readers)
        values = {name: value for name, value in table.items() if name in readers}
        found = dict(
            self._read(f"The option {name} of {kind}", name, readers, of) for name, of in values.items()
        )
        for name in readers:
            if (variable := variable_of(kind, name)) in environ:
                found |= [self._read(variable, name, readers, environ[variable])]
        return found

    def _read(self, said: str, name: str, readers: Mapping[str, Reader], value: Any) -> tuple[str, Any]:
        try:
            return name, readers[name](value)
        except ValueError as error:
            self.wrong.append(f"{said} {error}.")
            return name, None

    def _unknown(self, what: str, names: Iterable[str], known: Iterable[str]) -> None:
        known = list(known)
        for name in sorted(set(names) - set(known)):
            shown = name if re.fullmatch(r"[\w.-]{1,64}", name) else "with that name"
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known) or 'none'}."
            self.wrong.append(f"There is no {what} {shown}: {hint}")


def variable_of(*parts: str) -> str:
    """Name the environment variable of a setting, or of a voice service's option."""
    return PREFIX + "_".join(parts).replace("-", "_").upper()


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        # The message may show a piece of the file.
        where = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
        raise SettingsError(
            f"The settings file {path} is not TOML{f' ({where[1]})' if where else ''}."
        ) from None
    except ValueError:
        raise SettingsError(f"The settings file {path} is not UTF-8 text.") from None


def _together(settings: Settings, named: Container[str]) -> Iterator[str]:
    """Find what goes well alone and not with the rest."""
    if settings.access == "open":
        if not is_loopback(settings.host):
            yield (
                'access = "open" lets in everyone who reaches the endpoint, so host must be an address '
                'of this machine alone, such as 127.0.0.1; for others to reach it set access = "apps".'
            )
        for name in ("database", "redis", "signing_key", "site_hook", "hand_out_secrets", "metrics_key"):
            if name in named:
                yield f'The setting {name} is for access = "apps"; set that, or leave {name} out.'
    else:
        if settings.database is None:
            yield 'access = "apps" needs a database: set database = "voice.db", or GENMB_VOICE_DATABASE.'
        if settings.origins:
            yield 'The setting origins is for access = "open"; an app has its own: genmb-voice app change.'
