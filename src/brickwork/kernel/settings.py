"""Settings: one pydantic model a component, read from the constructor, `BRICKWORK_*` variables and `brickwork.toml`.

The earlier source wins. A wrong setting stops the start with the key's path, the value seen and what is accepted.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import Field, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from brickwork.errors import SettingsError
from brickwork.kernel.component import Backend, Component, ComponentSettings

FILE = "brickwork.toml"
_SECRET_WORDS = ("secret", "password", "passphrase", "authorization", "token", "url", "keys", "private_key", "dsn")


class PlatformSettings(ComponentSettings):
    """The `[platform]` section."""

    #: Components to build; None builds every registered one on demand.
    components: list[str] | None = None
    #: Plugins that must load, or the start fails.
    plugins: list[str] = []
    #: Modules of the product with hook implementations, imported at the start.
    modules: list[str] = []
    #: Folder for what embedded backends keep on disk.
    data_dir: Path = Path("brickwork-data")
    #: "production" refuses conveniences such as a generated key file; "development" allows them.
    environment: str = Field(default="development", pattern="^(development|production|test)$")
    #: The least that is logged.
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    #: "json" is an object a line, "console" is for people; "auto" is "console" on a terminal.
    log_format: str = Field(default="auto", pattern="^(auto|json|console)$")
    #: Where spans go: "otlp" is a collector over HTTP, "console" stdout, "custom" what the product adds to `tracing.provider`.
    traces: str = Field(default="off", pattern="^(off|otlp|console|custom)$")
    #: URL for "otlp", with its path; None is what OTEL_EXPORTER_OTLP_* say, or http://localhost:4318/v1/traces.
    traces_endpoint: str | None = None
    #: Share of the traces that begin here which are kept, 0 to 1; of others who began them decides.
    traces_ratio: float = Field(default=1.0, ge=0, le=1)
    #: `service.name` of the spans.
    traces_service: str = "brickwork"


class _Sections(BaseSettings):
    """Base of the model that holds a section for each component."""

    model_config = SettingsConfigDict(env_prefix="BRICKWORK_", env_nested_delimiter="__", extra="forbid", frozen=True)


def read_settings(
    components: Mapping[str, Component],
    given: Mapping[str, Any] | None = None,
    *,
    backends: Iterable[Backend] = (),
    file: Path | None = None,
) -> Any:
    """One object with an attribute for `platform` and for each component; raises `SettingsError`.

    A component's section holds one of each backend of its port that has settings: `[cache]`, `[cache.redis]`.
    """
    path = file or Path(os.environ.get("BRICKWORK_CONFIG", FILE))
    if file is not None and not file.exists():
        raise SettingsError(f"settings file {file} does not exist", field=str(file))
    model = settings_model(components, path if path.exists() else None, backends)
    try:
        return model(**dict(given or {}))
    except ValidationError as error:
        raise SettingsError(_explain(error, path), problems=()) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", field=str(path)) from None


def read_modules(given: Mapping[str, Any] | None = None, *, file: Path | None = None) -> list[str]:
    """`platform.modules`, which must be known before the other sections are: what they bring has settings of its own."""
    path = file or Path(os.environ.get("BRICKWORK_CONFIG", FILE))
    try:
        loose = settings_model({}, path if path.exists() else None)
        loose.model_config = {**loose.model_config, "extra": "ignore"}
        loose.model_rebuild(force=True)
        return list(loose(**dict(given or {})).platform.modules)  # type: ignore[attr-defined]
    except (ValidationError, tomllib.TOMLDecodeError):
        return []  # `read_settings` tells what is wrong


def settings_model(
    components: Mapping[str, Component], toml: Path | None = None, backends: Iterable[Backend] = ()
) -> type[_Sections]:
    """The pydantic model of all sections; its JSON Schema is what `brickwork config schema` prints."""

    class Sections(_Sections):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
            return (*sources, TomlConfigSettingsSource(settings_cls, toml)) if toml else sources

    sections: dict[str, Any] = {"platform": (PlatformSettings, Field(default_factory=PlatformSettings))}
    for component in components.values():
        own = [backend for backend in backends if backend.port == component.name and backend.settings is not ComponentSettings]
        parts: dict[str, Any] = {b.name: (b.settings, Field(default_factory=b.settings)) for b in own}
        section = create_model(component.settings.__name__, __base__=component.settings, **parts) if parts else component.settings
        sections[component.name] = (section, Field(default_factory=section))
    return cast(type[_Sections], create_model("BrickworkSettings", __base__=Sections, **sections))


def _explain(error: ValidationError, path: Path) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        seen = "(hidden)" if any(word in key.lower() for word in _SECRET_WORDS) else repr(problem["input"])[:100]
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key}: no such setting (seen: {seen})")
        else:
            lines.append(f"{key}: {problem['msg']} (seen: {seen})")
    return f"settings are wrong (constructor, BRICKWORK_* variables, {path}): " + "; ".join(lines)
