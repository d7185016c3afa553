"""The door: one definition of services, routes, versions and policies, served by the embedded proxy or exported to Kong."""
