"""The yardstick: a FastAPI route that looks a code up in a dict and redirects. It records nothing.

python bench/yardsticks/plain_fastapi.py LINKS_FILE PORT     the file has a code and its destination on each line
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response


def plain_app(destinations: dict[str, str]) -> FastAPI:
    """As a newcomer would write it, `async def`."""
    app = FastAPI()

    @app.get("/{code}")
    async def follow(code: str) -> Response:
        destination = destinations.get(code)
        if destination is None:
            return Response(status_code=404)
        return Response(status_code=302, headers={"Location": destination, "Cache-Control": "private, no-store"})

    return app


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    app = plain_app(dict(line.split(" ", 1) for line in lines))
    uvicorn.run(app, port=int(sys.argv[2]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
