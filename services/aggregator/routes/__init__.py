"""The aggregator's HTTP endpoints, a module for each kind of thing."""
