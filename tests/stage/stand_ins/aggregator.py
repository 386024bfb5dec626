"""Stands in for the aggregator where a test is about `up` itself. Put on PYTHONPATH before the real one."""

from answers_ready import serve

serve("AGGREGATOR")
