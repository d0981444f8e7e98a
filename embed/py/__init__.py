"""limpet's own Python half, frozen into the executable. Applications need nothing of it."""
