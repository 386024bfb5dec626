"""Stands in for the redirector where a test is about `up` itself. Put on PYTHONPATH before the real one."""

from answers_ready import serve

serve("REDIRECTOR")
