"""Measurements: ratios within one run, beside a floor; never a timed test."""
