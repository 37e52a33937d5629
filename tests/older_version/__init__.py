"""A store, published runs and addresses of the app as of commit 73425d4, which later versions open unchanged.

`rnc.duckdb.xz` holds two runs (`python -m train.run tiny`, with `--objective st` and `at`), `bundle/` the first of them
published, `addresses.json` forty addresses and what the app drew of the store at each (`record.py`, run on that commit).
"""
