"""For all tests: how hard laws are tried, and a collector that looks seldom.

Collecting thousands of tests leaves nearly all objects alive: looking at them again and again is lost time.
"""

import gc

import tests.laws  # noqa: F401 - loads the profile before the first law is read

gc.freeze()
gc.set_threshold(200_000, 20, 20)
