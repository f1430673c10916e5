"""What only saves time. With all of it switched off, every law of the engine still holds."""
