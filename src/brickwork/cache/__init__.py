"""Cache: named strategies, invalidation by committed events, one loader at a time, two tiers."""

from brickwork.cache.decorator import CachedFunction, cached
from brickwork.cache.region import Region
from brickwork.cache.service import Cache
from brickwork.cache.settings import CacheSettings, Strategy

__all__ = ["Cache", "CacheSettings", "CachedFunction", "Region", "Strategy", "cached"]
