"""`@cached`: a function whose results are kept."""

import inspect
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, get_args, get_type_hints

import orjson

from brickwork.cache.region import Region
from brickwork.errors import ValidationError

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

P = ParamSpec("P")
R = TypeVar("R")


class CachedFunction(Generic[P, R]):
    """Made by `@cached`. Its first argument is the platform; the others are the key."""

    def __init__(
        self, function: Callable[Concatenate["Platform", P], R], strategy: str, tags: Sequence[str], name: str | None
    ) -> None:
        self._function = function
        self._strategy = strategy
        self._tags = tuple(tags)
        self._name = name or f"{function.__module__}.{function.__qualname__}"
        self._signature = inspect.signature(function)
        self._kind: Any = _without_none(_returned(function))
        update_wrapper(self, function)
        self._check_tags()

    def __call__(self, platform: "Platform", *args: P.args, **kwargs: P.kwargs) -> R:
        key, tags = self._place(platform, *args, **kwargs)
        found: Any = self._region(platform).get_or_load(key, lambda: self._function(platform, *args, **kwargs), tags=tags)
        return cast(R, found)

    def refresh(self, platform: "Platform", *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function whatever is kept, and keep what it returns."""
        with platform.cache.refresh():
            return self(platform, *args, **kwargs)

    def forget(self, platform: "Platform", *args: P.args, **kwargs: P.kwargs) -> None:
        """Drop what is kept for these arguments."""
        self._region(platform).delete(self._place(platform, *args, **kwargs)[0])

    def _region(self, platform: "Platform") -> Region[R]:
        region: Region[R] = platform.cache.region(self._strategy, self._kind)
        return region

    def _place(self, platform: "Platform", *args: P.args, **kwargs: P.kwargs) -> tuple[str, list[str]]:
        bound = self._signature.bind(platform, *args, **kwargs)
        bound.apply_defaults()
        _, *values = bound.arguments.items()
        try:
            key = orjson.dumps([value for _, value in values]).decode()
        except TypeError:
            raise ValidationError(f"{self._name}: what a cached function is called with must be JSON-able") from None
        named = dict(values)
        return f"{self._name}{key}", [tag.format(**named) for tag in self._tags]

    def _check_tags(self) -> None:
        names = list(self._signature.parameters)[1:]
        for tag in self._tags:
            try:
                tag.format(**dict.fromkeys(names, ""))
            except (KeyError, IndexError, ValueError):
                raise ValidationError(f"{self._name}: tag {tag!r} may name its arguments only: {', '.join(names)}") from None


def cached(
    strategy: str = "default", *, tags: Sequence[str] = (), name: str | None = None
) -> Callable[[Callable[Concatenate["Platform", P], R]], CachedFunction[P, R]]:
    """Keeps what a function returns, by tenant and arguments, as the strategy says.

    The function takes the platform first, as handlers and jobs do. `tags` may hold the names of its arguments:
    `@cached("price_list", tags=["price.changed:{list_id}"])`. What it returns is kept as its annotation says, as plain JSON
    without one. `name` is the key's beginning, by default the function's full name.
    """

    def decorate(function: Callable[Concatenate["Platform", P], R]) -> CachedFunction[P, R]:
        return CachedFunction(function, strategy, tags, name)

    return decorate


def _returned(function: Callable[..., object]) -> object:
    """The annotation of what it returns, None without one. Those of its arguments may be known to type checkers only."""
    hint = getattr(function, "__annotations__", {}).get("return")
    alone = type("alone", (), {"__annotations__": {} if hint is None else {"return": hint}})
    try:
        return get_type_hints(alone, globalns=getattr(function, "__globals__", {})).get("return")
    except NameError as error:
        raise ValidationError(
            f"{function.__qualname__}: what it returns is annotated {hint!r}, and {error}; import it at run time, since cached "
            "values are read as that type"
        ) from None


def _without_none(hint: object) -> object:
    """`Patient` of `Patient | None`: None is kept by itself."""
    options = get_args(hint)
    if type(None) not in options:
        return hint
    rest = [option for option in options if option is not type(None)]
    union = rest[0]
    for option in rest[1:]:
        union = union | option
    return union
