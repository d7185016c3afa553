"""An OpenFeature provider (https://openfeature.dev/specification): `api.set_provider(BrickworkProvider(platform))`.

The evaluation context's targeting key is what rollouts hash; its attributes are what rules see. Tenant and actor are those of the
platform's own context.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from brickwork.errors import MissingDependencyError
from brickwork.kernel.platform import Platform

try:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.exception import ErrorCode
    from openfeature.flag_evaluation import FlagResolutionDetails
    from openfeature.provider import AbstractProvider, Metadata
except ImportError:
    raise MissingDependencyError("openfeature-sdk", "openfeature") from None

_Context = EvaluationContext | None


class BrickworkProvider(AbstractProvider):
    """Decides by `platform.flags`."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self._flags = platform.flags

    def get_metadata(self) -> Metadata:
        return Metadata("brickwork")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: _Context = None
    ) -> FlagResolutionDetails[float]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self, flag_key: str, default_value: Sequence[Any] | Mapping[str, Any], evaluation_context: _Context = None
    ) -> FlagResolutionDetails[Sequence[Any] | Mapping[str, Any]]:
        return self._resolve(flag_key, default_value, evaluation_context)

    def _resolve(self, key: str, default: Any, context: _Context) -> FlagResolutionDetails[Any]:
        attributes: dict[str, Any] = {}
        if context is not None:
            attributes.update(context.attributes)
            if context.targeting_key is not None:
                attributes["targeting_key"] = context.targeting_key
        found = self._flags.evaluate(key, default, attributes)
        if found.error is not None:
            return FlagResolutionDetails(value=default, reason=found.reason, error_code=ErrorCode(found.error))
        return FlagResolutionDetails(value=found.value, variant=found.variant, reason=found.reason)
