"""A virtual cluster in virtual time: the real scheduler, driver, ledger and map functions in it."""
