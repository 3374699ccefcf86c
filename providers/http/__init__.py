"""The one door out: pure preparing and reading of HTTP, the guard, and the drivers that send one request."""
