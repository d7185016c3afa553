"""The grants: ways to come by a token."""
