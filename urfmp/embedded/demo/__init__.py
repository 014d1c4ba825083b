"""Run and supervise the whole product with the demo fleet (`make demo`)."""
