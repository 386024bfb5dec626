"""How both services reach Postgres: named queries, pools, outages by name, migrations, API keys."""
