"""Seeds that once broke a promise: each line of `seeds.txt` has a seed, `open` or `mended`, and what it showed."""
