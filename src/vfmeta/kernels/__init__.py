"""Arrays in, arrays out: the arithmetic of every model. A pool is a regression on a constant, a single fit a batch of one."""
