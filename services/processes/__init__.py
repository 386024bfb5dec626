"""Programs that are kept running, and files that only their owner reads: what `up` and a redirector's parent share."""
