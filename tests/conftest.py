"""For all tests: the collector looks seldom, for collecting 3,000 tests leaves nearly all objects alive."""

import gc

gc.freeze()
gc.set_threshold(200_000, 20, 20)
