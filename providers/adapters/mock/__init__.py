"""Mock: small true files of every kind, made here, the same bytes for the same prompt and seed.

It needs no key and no network. `catalogue.yaml` lists its models and the magic words, `adapter.py` follows jobs,
the other modules each make one kind of file. The core also uses it to stand in for any provider in mock mode, so
nothing here may rely on its own catalogue's parameters. Checked 2026-11-21.
"""
