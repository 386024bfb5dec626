"""The command `advolink customers erase`, which works on the database itself."""

import secrets
from pathlib import Path

import click

from aggregator.commands import chosen_stores, stores_options, told_why
from aggregator.customers.store import CustomerStore, Erased
from database.commands import run_with_database
from database.customer_keys import CustomerKeyStore
from database.pool import small_pool
from link_events.customers import CUSTOMER_HASH_BYTES, CUSTOMER_ID_CHARS_MAX, customer_hash
from link_events.identity import CustomerHash


@click.group("customers")
def customers_group() -> None:
    """Customers that conversions name."""


@customers_group.command("erase")
@click.argument("customer_id")
@click.option("--why", required=True, help="Kept for ever, without whom it was about: name nobody.")
@stores_options
def erase(*, customer_id: str, why: str, postgres_dsn: str | None, data_dir: Path | None) -> None:
    """Forget CUSTOMER_ID: nothing stored can be told to be theirs any more. Every total stays as it is.

    Conversions that are received later are a new customer's. Doing it again changes nothing.
    """
    if not 0 < len(customer_id) <= CUSTOMER_ID_CHARS_MAX:
        raise click.BadParameter(f"has 1 to {CUSTOMER_ID_CHARS_MAX} characters", param_hint="CUSTOMER_ID")
    reason = told_why(why)
    dsn = chosen_stores(postgres_dsn, data_dir).postgres_dsn

    async def job() -> Erased:
        async with small_pool(dsn, application="advolink customers") as pool:
            secret = await CustomerKeyStore(pool).key()
            if secret is None:
                return Erased(0, 0)
            token = CustomerHash(secrets.token_bytes(CUSTOMER_HASH_BYTES))
            return await CustomerStore(pool).erase(customer_hash(customer_id, secret), token, reason)

    erased = run_with_database(job)
    click.echo(
        f"{erased.conversions} conversions and {erased.events} received events were theirs and are nobody's now."
    )
    click.echo(
        "What a redirector's journal or the event log still holds of them goes with their retentions. A dead letter"
        " that tells of them keeps it, and brings it back when it is replayed."
    )
