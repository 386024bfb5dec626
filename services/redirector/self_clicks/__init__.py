"""An advocate's own clicks: the link that marks their browser, and the cookie by which it is known."""
