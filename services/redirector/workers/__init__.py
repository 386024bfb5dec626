"""Several processes on one public port: the parent that keeps them running, and answers operators for all of them."""
