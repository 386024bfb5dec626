"""The command `advolink`: it composes what the other packages offer as commands, and knows nothing else of them."""
