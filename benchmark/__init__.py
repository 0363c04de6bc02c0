"""Many runs, one table: sweeps (`benchmark.run`), statistics, tables, plots and the page (`benchmark.report`)."""
