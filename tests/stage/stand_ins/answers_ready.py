"""A service that does nothing but answer on its management port. STAND_IN_<NAME> makes it `dies` or `unready`."""

import os
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer


def serve(name: str) -> None:
    """Answer, or fail, as asked."""
    mood = os.environ.get(f"STAND_IN_{name}", "ready")
    if mood == "dies":
        sys.exit("the last words of a stand-in")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(HTTPStatus.OK if mood == "ready" else HTTPStatus.SERVICE_UNAVAILABLE)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    port = int(os.environ[f"ADVOLINK_{name}_MANAGEMENT_PORT"])
    HTTPServer((os.environ[f"ADVOLINK_{name}_HOST"], port), Answer).serve_forever()
