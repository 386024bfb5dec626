"""What a destination is sent names the very click that is stored; an advocate's own click is stored and not counted."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from click.testing import CliRunner

from advolink.__main__ import main
from stage.api import Api
from stage.click_ids import split_location
from stage.events import BROWSER
from stage.up import Up, data_directory, started_up
from stage.waiting import eventually

DESTINATION = "https://www.example.com/a?b=1#c"
HEADERS = {"User-Agent": BROWSER}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    directory = tmp_path_factory.mktemp("click-ids")
    with data_directory(directory) as data, started_up(data) as up:
        up.until_up()
        yield up


@pytest.fixture
def api(stack: Up) -> Iterator[Api]:
    opened = Api(stack)
    eventually(lambda: signs(stack), what="there is a signing key")
    yield opened
    opened.close()


def signs(stack: Up) -> bool:
    readiness = httpx2.get(f"{stack.content['redirector_management']}/readyz", timeout=10).json()
    return bool(readiness["known"]["signing_key"])


def issued(api: Api, advocate_id: str, **fields: Any) -> str:
    """A link's code."""
    api.redirector.put(f"/v1/advocates/{advocate_id}", json={}).raise_for_status()
    code: str = api.issue({"advocate_id": advocate_id, "destination": DESTINATION, **fields})["code"]
    return code


def browser(api: Api) -> httpx2.Client:
    """Somebody who holds no key, and keeps cookies."""
    return httpx2.Client(base_url=api.redirector.base_url, headers=HEADERS, timeout=10)


def clicked(client: httpx2.Client, code: str) -> str:
    """The id that a click's destination is sent."""
    answer = client.get(f"/{code}")
    assert answer.status_code == HTTPStatus.FOUND
    destination, click_id = split_location(answer.headers["location"])
    assert destination == DESTINATION
    return click_id


def verified(stack: Up, click_id: str, *where: str) -> dict[str, Any]:
    """What `advolink keys signing verify` says of an id."""
    where = where or ("--data-dir", str(stack.directory))
    done = CliRunner().invoke(main, ["keys", "signing", "verify", click_id, "--json", *where])
    told: dict[str, Any] = orjson.loads(done.output)
    return told


def stored(api: Api, event_id: str) -> dict[str, Any]:
    """A click as it was applied."""

    def found() -> Any:
        answer = api.aggregator.get(f"/v1/clicks/{event_id}")
        return answer.json() if answer.is_success else None

    click: dict[str, Any] = eventually(found, seconds_max=30, what="the click is applied")
    return click


def test_the_id_in_the_address_names_the_stored_click(stack: Up, api: Api) -> None:
    """Verified with the database's keys, and with those on the redirector's disk."""
    code = issued(api, "ada")
    with browser(api) as client:
        click_id = clicked(client, code)
    told = verified(stack, click_id)
    assert told["outcome"] == "valid"
    (journals,) = [path.parent for path in Path(stack.directory).rglob("kept")]
    assert verified(stack, click_id, "--journals", str(journals)) == told
    click = stored(api, told["event_id"])
    assert (click["code"], click["advocate_id"], click["event_id"]) == (code, "ada", told["event_id"])
    assert click["occurred_at"][:10] == told["utc_day"]


def test_an_advocates_own_click_is_kept_and_not_counted(stack: Up, api: Api) -> None:
    """Theirs on somebody else's link counts."""
    mine, theirs = issued(api, "eve"), issued(api, "bob")
    answer = api.redirector.post("/v1/advocates/eve/self-link")
    with browser(api) as client:
        assert client.get(answer.json()["url"]).status_code == HTTPStatus.OK
        ids = [clicked(client, code) for code in (mine, theirs)]
    with browser(api) as client:
        ids.append(clicked(client, mine))
    clicks = [stored(api, verified(stack, click_id)["event_id"]) for click_id in ids]
    assert [(click["self_click"], click["verdict"], click["reasons"]) for click in clicks] == [
        (True, "not_counted", ["self_click"]),
        (False, "counted", []),
        (False, "counted", []),
    ]
