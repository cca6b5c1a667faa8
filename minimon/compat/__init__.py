"""The names, signatures and defaults of older systems, for programs that were written for them."""
