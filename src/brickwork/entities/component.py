"""The registration of the entities component."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickwork.kernel.component import Component, ComponentSettings
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.entities.definitions import EntityTypeDefinition
    from brickwork.entities.service import Entities
    from brickwork.kernel.platform import Platform


class EntitiesSettings(ComponentSettings):
    """The `[entities]` section."""

    #: YAML or JSON files of entity types that every tenant has, or a folder of them.
    definitions: Path | None = None


def build(platform: "Platform", settings: EntitiesSettings) -> "Entities":
    """The service, with the types that settings and plugins ship."""
    from brickwork.entities.service import Entities

    return Entities(platform, _shipped(platform, settings))


def _shipped(platform: "Platform", settings: EntitiesSettings) -> "list[EntityTypeDefinition]":
    from brickwork.entities.definitions import load_definitions, parse_definition

    sources: list[Any] = [settings.definitions] if settings.definitions else []
    for given in platform.plugins.hook.brickwork_entity_types():
        sources += given
    shipped: list[EntityTypeDefinition] = []
    for source in sources:
        shipped += load_definitions(Path(source)) if isinstance(source, (str, Path)) else [parse_definition(source)]
    return shipped


@hookimpl
def brickwork_rpc_services(platform: "Platform") -> Sequence[Any]:
    from brickwork.rpc import Service

    return [Service("brickwork.entities.v1.Entities", platform.entities)] if "entities" in platform.components else []


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="entities",
            summary="Records of types that tenants define: fields, relations, queries, import, duplicates",
            build="brickwork.entities.component:build",
            requires=("database", "keyring", "cache"),
            settings=EntitiesSettings,
            service="brickwork.entities.service:Entities",
            models="brickwork.entities.models",
            migrations="brickwork.entities.migrations",
            routes="brickwork.entities.api:endpoints",
        )
    ]
