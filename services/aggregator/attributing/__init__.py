"""Who earns what of a conversion: decided anew whenever something that it depends on has changed, in one way."""
