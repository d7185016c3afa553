"""Filling templates in a sandbox. Nothing here needs a platform, so that the process for tenants' templates starts soon."""
