"""limpet's own Python half, frozen into the executable. For applications: limpet.hooks, which they need not use."""
