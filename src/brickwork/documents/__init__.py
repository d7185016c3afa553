"""Documents: templates, generation, versions, signatures and packages."""
