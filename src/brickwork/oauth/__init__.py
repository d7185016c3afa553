"""Tokens for other programs: an OAuth 2 and OpenID Connect provider with an issuer for each tenant."""

from brickwork.oauth.client import Client, Registered
from brickwork.oauth.grants import Granted
from brickwork.oauth.service import OAuth

__all__ = ["Client", "Granted", "OAuth", "Registered"]
