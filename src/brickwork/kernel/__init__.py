"""The kernel: settings, plugins, the composition root, context, clock, ids, money and expressions."""
