"""One suite a contract, bound by every implementation."""
