"""Local: real work on media that is at hand, by Pillow and PyAV: stills, joins, sound tracks, formats, sizes, cuts, 3D files.

It needs no key, no network and costs nothing; `limits.py` bounds how much one job may take. Checked 2026-11-21.
"""
