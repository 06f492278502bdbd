"""Ball-balance tasks: a tray on three legs, and a ball on the tray."""
