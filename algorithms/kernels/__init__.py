"""Kernels: the loops over data, compiled, with one written-down order of summation."""
