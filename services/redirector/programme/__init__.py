"""What the redirector has to know of the programme. The aggregator alone changes it."""
