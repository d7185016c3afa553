"""The benchmarks: one module a claim, each beside its peers in one run."""
