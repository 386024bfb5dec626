"""Who earns what of a conversion: decided anew, in one way, whenever what it depends on has changed (docs/adr/0019)."""
