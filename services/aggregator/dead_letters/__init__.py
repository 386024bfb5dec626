"""Records that could not be applied: looked at, replayed, discarded, and relayed to where others see them."""
